// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import "github.com/enmesh-go/enmesh"

// abort is what an aborted call is answered with. The zero abort is none.
type abort struct {
	reply *enmesh.Reply
	err   *enmesh.Error // nil: the abort is a success
}

// abort builds what is configured.
func (cfg Config) abort() abort {
	switch {
	case cfg.HasAbortCode:
		return codeAbort(cfg.AbortCode)
	case cfg.AbortStatus != 0:
		return statusAbort(cfg.AbortStatus)
	}
	return abort{}
}

// statusAbort is an abort with an HTTP status.
func statusAbort(status int) abort {
	if status < 400 {
		return abort{reply: &enmesh.Reply{Status: status}}
	}
	return abortWith(status, enmesh.GRPCCodeOfStatus(status))
}

// codeAbort is an abort with a code.
func codeAbort(code enmesh.Code) abort { return abortWith(enmesh.StatusOfCode(code), code) }

func abortWith(status int, code enmesh.Code) abort {
	reply := &enmesh.Reply{
		Status: status,
		Header: map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:   []byte(abortBody),
	}
	return abort{reply, &enmesh.Error{
		Code:    code,
		Outcome: enmesh.Neutral,
		Unsent:  true,
		Status:  status,
		Flag:    enmesh.FlagFaultInjected,
		Policy:  "fault",
		Err:     ErrAborted,
	}}
}
