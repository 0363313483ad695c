// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// rule is the rule that deals with the call: the one that takes it, or that of hosts
// without any.
func (x *inquiry) rule() (r *policy.Rule, m *route.Match) {
	if x.taken == nil {
		return standard, nil
	}
	return x.taken.from.rule(), x.taken.from.match()
}

// act tells what the rule does.
func (x *inquiry) act() {
	r, m := x.rule()
	x.out.Result = Result{Kind: ResultRoute}
	if answer, err := answerOf(r, m); answer != nil && err == nil {
		x.answer(answer)
		return
	}
	add := func(what, text string) {
		if text != "" {
			x.out.Actions = append(x.out.Actions, what+": "+text)
		}
	}
	add("pages", corsText(r.CORS))
	add("fault", faultText(r.Fault))
	add("request headers", opsText(r.Headers.Request))
	add("response headers", opsText(r.Headers.Response))
	add("rewrite", x.rewriteText(r, m))
	for _, to := range r.Mirrors {
		add("mirror", fmt.Sprintf("%s of the calls to %s", share(float64(to.Share)/route.Million), to.Destination))
	}
	if r.Timeout > 0 {
		add("timeout", r.Timeout.String())
	}
	if r.PerTry > 0 {
		add("attempt timeout", r.PerTry.String())
	}
	add("retries", retryText(r.Retry))
	if t := r.Trial; t != nil {
		x.pretend(t, add)
	}
}

// pretend tells what the rule only counts.
func (x *inquiry) pretend(t *policy.Trial, add func(what, text string)) {
	add("fault in shadow", faultText(t.Fault))
	if t.Timeout > 0 {
		add("timeout in shadow", t.Timeout.String())
	}
	if t.PerTry > 0 {
		add("attempt timeout in shadow", t.PerTry.String())
	}
	if t.Retry.MaxAttempts != 1 {
		add("retries in shadow", retryText(t.Retry))
	}
}

// answer has the middleware that answers in the place of a service do so.
func (x *inquiry) answer(by enmesh.Middleware) {
	k := x.query.carrier()
	err := by(nothing)(context.Background(), &k.Call)
	r, _ := x.rule()
	x.out.Result.Kind = ResultDirect
	if r.Redirect != nil {
		x.out.Result.Kind = ResultRedirect
	}
	if e := enmesh.ErrorOf(err); e != nil {
		x.out.Result.Status, x.out.Result.Text = e.Status, short(e.Err.Error())
	}
	if reply := k.Call.ReplyFor(err); reply != nil {
		x.out.Result.Status, x.out.Result.Text = reply.Status, short(string(reply.Body))
		if at := reply.Header["Location"]; len(at) > 0 {
			x.out.Result.Text = at[0]
		}
	}
}

// nothing is where the chain of a call ends that is not made.
func nothing(context.Context, *enmesh.Call) error { return nil }

// rewriteText is what the rewrite makes of the call.
func (x *inquiry) rewriteText(r *policy.Rule, m *route.Match) string {
	rewrite, err := r.Rewrite.Middleware(m)
	if err != nil || rewrite == nil {
		return ""
	}
	k := x.query.carrier()
	before := k.Call.Path
	if err := rewrite(nothing)(context.Background(), &k.Call); err != nil {
		return err.Error()
	}
	return "path " + before + " becomes " + k.Call.Path
}

// corsText is which pages of other origins may make the call.
func corsText(p *route.CORS) string {
	if p == nil || len(p.Origins) == 0 {
		return ""
	}
	var of []string
	for _, origin := range p.Origins {
		of = append(of, origin.String())
	}
	return "those of " + strings.Join(of, ", ") + " may"
}

func faultText(f fault.Config) string {
	var parts []string
	if f.DelayPPM > 0 && f.Delay > 0 {
		parts = append(parts, fmt.Sprintf("%s of the calls wait %v", share(float64(f.DelayPPM)/fault.Million), f.Delay))
	}
	if f.AbortPPM > 0 {
		with := "status " + strconv.Itoa(f.AbortStatus)
		if f.AbortStatus == 0 {
			with = "code " + f.AbortCode.String()
		}
		parts = append(parts, fmt.Sprintf("%s are answered with %s", share(float64(f.AbortPPM)/fault.Million), with))
	}
	return strings.Join(parts, ", ")
}

// opsText names the headers that are edited, the authority among them, and the values
// that policy gives.
func opsText(o route.Ops) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(o.Set)) {
		parts = append(parts, "set "+name+"="+o.Set[name])
	}
	for _, name := range slices.Sorted(maps.Keys(o.Add)) {
		parts = append(parts, "add "+name+"="+o.Add[name])
	}
	for _, name := range o.Remove {
		parts = append(parts, "remove "+name)
	}
	return strings.Join(parts, ", ")
}

func retryText(r retry.Config) string {
	if r.MaxAttempts == 1 {
		return "none"
	}
	text := fmt.Sprintf("%d at most, on %s", max(r.MaxAttempts, 1)-1, r.On)
	if r.BaseBackoff > 0 {
		text += fmt.Sprintf(", backoff from %v", r.BaseBackoff)
	}
	return text
}

// share is a share of 0 to 1 as people write it.
func share(f float64) string { return strconv.FormatFloat(f*100, 'g', 4, 64) + " %" }

// short is the beginning of a text.
func short(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
