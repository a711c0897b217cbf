package results

import "fmt"

// AdmissionSeries is the name of a series of the admission benchmark, of a Pod of that size with rules or without.
func AdmissionSeries(kb int, rules bool, side, what string) string {
	with := "rules"
	if !rules {
		with = "none"
	}
	return fmt.Sprintf("admission/%dKB/%s/%s/%s", kb, with, side, what)
}

func admissionSection() Section {
	s := Section{
		Title: "Admission",
		About: "The webhook as it is shipped, as a process of its own with `GOMAXPROCS=1`, over TLS with connections kept alive, against a bare " +
			"controller-runtime `CustomDefaulter` for Pods that appends one container. Requests per second per core are those that a second of the " +
			"server's processor time answers, 8 connections at once, measured over 75 ms each. Allocations are those of the handler.",
	}
	for _, rules := range []bool{true, false} {
		for _, kb := range []int{6, 60} {
			what := fmt.Sprintf("%d KB Pod with rules: ", kb)
			if !rules {
				what = fmt.Sprintf("%d KB Pod without rules: ", kb)
			}
			row := func(of, unit, series string, more, exact bool, goals ...Goal) {
				if !rules {
					goals = nil
				}
				s.Rows = append(s.Rows, Row{What: what + of, Unit: unit, Series: AdmissionSeries(kb, rules, Ours, series), More: more, Exact: exact,
					Anchor: AdmissionSeries(kb, rules, "defaulter", series), AnchorName: defaulter, Goals: goals})
			}
			rate, allocations := 8000.0, 120.0
			var one, eight []Goal
			if kb == 60 {
				rate, allocations = 1800, 300
			} else {
				one, eight = []Goal{{Of: P99, AtMost: 1, Profile: admissionProfile}}, []Goal{{Of: P99, AtMost: 5, Profile: admissionProfile}}
			}
			row("requests per second per core", "req/s", "rate", true, false, Goal{Of: Median, AtLeast: rate, Profile: admissionProfile})
			row("allocations", "", "allocations", false, true, Goal{Of: Median, AtMost: allocations})
			row("latency, 1 connection", "ms", "latency1", false, false, one...)
			row("latency, 8 connections", "ms", "latency8", false, false, eight...)
			row("processor time per request, 1 connection", "µs", "cpu1", false, false)
		}
	}
	return s
}

// Kinds of Pods that are created: where the webhook isn't asked, where it would be if they had rules, and where it is.
const (
	NotAsked  = "not-asked"
	NoRules   = "no-rules"
	WithRules = "with-rules"
)

// CreationSeries is the name of a series of the benchmark that creates Pods of a kind.
func CreationSeries(kind, what string) string { return "creations/" + kind + "/" + what }

func creationSection() Section {
	s := Section{
		Title: "Creating Pods",
		About: "10,000 Pods of 6 KB of each kind, 16 at once, through a real kube-apiserver 1.36.3 and etcd, in turns of 500; rates are of 50 each. API server, etcd, webhook " +
			"and client share the machine. In a namespace that has not opted in the webhook isn't asked: that is what it is held against. Of a Pod " +
			"without rules it isn't asked either, by `matchConditions`, which the API server evaluates.",
	}
	for _, kind := range []struct{ name, what string }{{NotAsked, "not opted in"}, {NoRules, "opted in, no rules"}, {WithRules, "opted in, with rules"}} {
		row := func(of, unit, series string, more bool) {
			r := Row{What: kind.what + ": " + of, Unit: unit, Series: CreationSeries(kind.name, series), More: more}
			if kind.name != NotAsked {
				r.Anchor, r.AnchorName = CreationSeries(NotAsked, series), "not opted in"
			}
			s.Rows = append(s.Rows, r)
		}
		row("Pods per second", "/s", "rate", true)
		row("latency", "ms", "latency", false)
		if kind.name == WithRules {
			s.Rows = append(s.Rows, Row{What: kind.what + ": the webhook's processor time for each", Unit: "µs", Series: CreationSeries(kind.name, "cpu")})
		}
	}
	return s
}
