// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"html/template"
	"net/http"
	"strings"
	"time"
)

// page is Status for people.
var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago": func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return time.Since(t).Round(time.Second).String() + " ago"
	},
	"left": func(seconds float64) string { return (time.Duration(seconds) * time.Second).String() },
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>enmesh agent</title><style>
body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;max-width:80em}
table{border-collapse:collapse;margin:.5em 0 1.5em}
td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}
th{background:#f3f3f3}.bad{color:#b00020}
</style></head><body>
<h1>enmesh agent</h1>
<p>{{if .Ready}}Clients are answered.{{else}}<span class="bad">Clients wait: no policy is known yet.</span>{{end}}
Opened {{ago .Since}}. <a href="/config">What clients were told</a>, <a href="/metrics">metrics</a>.</p>
<h2>Policy</h2>
<p>Version {{or .Policy.Version "none"}}, {{.Policy.Documents}} documents, in force since {{ago .Policy.Applied}}{{if .Policy.Restored}}, <b>from disk</b>{{end}}.
{{.Policy.Loads}} loads, {{.Policy.Refused}} refused.</p>
{{with .Policy.Error}}<pre class="bad">{{.}}</pre>{{end}}
{{with .Policy.DiskError}}<pre class="bad">{{.}}</pre>{{end}}
{{with .Certificates}}<h2>Certificates</h2>
<table><tr><th>Identity</th><th>Directory</th><th>Left</th><th>Written</th><th>Rotations</th><th>Error</th></tr>
{{range .}}<tr><td>{{.Identity}}</td><td>{{.Dir}}</td><td>{{left .Left}}</td><td>{{ago .Written}}</td><td>{{.Rotations}}</td><td class="bad">{{.Error}}</td></tr>
{{end}}</table>{{end}}
<h2>Services</h2>
<table><tr><th>Service</th><th>State</th><th>Endpoints</th><th>Kept</th><th>Confirmed</th><th>Stale for</th><th>Last error</th></tr>
{{range .Services}}<tr><td>{{.Service}}</td><td>{{.State}}</td><td>{{.Endpoints}}</td><td>{{.Kept}}</td><td>{{ago .Confirmed}}</td><td>{{left .Staleness}}</td><td class="bad">{{.Error}}</td></tr>
{{end}}</table>
<h2>Clients</h2>
<table><tr><th>Node</th><th>Client</th><th>Namespace</th><th>Locality</th><th>Since</th><th>ACK</th><th>NACK</th><th>Resources</th></tr>
{{range .Clients}}<tr><td><a href="/config?node={{.ID}}">{{.ID}}</a></td><td>{{.Client}} {{.Version}}</td><td>{{.Namespace}}</td><td>{{.Locality}}</td><td>{{ago .Since}}</td><td>{{.Accepted}}</td><td{{if .Rejected}} class="bad"{{end}}>{{.Rejected}}</td>
<td><details><summary>{{len .Resources}}</summary>{{range .Resources}}<div>{{.Kind}} {{.Name}}: {{.State}}{{with .Error}} <span class="bad">{{.}}</span>{{end}}</div>{{end}}</details></td></tr>
{{end}}</table>
{{with .Notes}}<h2>Notes</h2><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
{{range $language, $list := .Verdicts}}{{with $list}}<h2>What {{$language}} does not do as written</h2><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}{{end}}
{{with .Disk}}<p>Endpoints are kept in {{.Dir}}.{{with .Error}} <span class="bad">{{.}}</span>{{end}}</p>{{end}}
</body></html>
`))

// wantsPage reports whether a browser asks.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (a *Agent) servePage(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_ = page.Execute(w, a.Status()) // who asks may be gone
}
