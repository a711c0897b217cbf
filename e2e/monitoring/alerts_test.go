package monitoring

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
)

// served are the series of a webhook that is there and has nothing to tell, minute by minute.
const served = `
	restartrules_certificate_expiration_timestamp_seconds 7776000+0x300
	restartrules_admissions_total{resource="pods",operation="CREATE",outcome="error"} 0+0x300
	restartrules_admissions_total{resource="pods",operation="CREATE",outcome="injected"} 0+60x300
	restartrules_admission_duration_seconds_bucket{le="0.1"} 0+60x300
	restartrules_admission_duration_seconds_bucket{le="3.2"} 0+60x300
	restartrules_admission_duration_seconds_bucket{le="+Inf"} 0+60x300
	restartrules_report_dropped_total 0+0x300
	restartrules_report_pods_waiting 20+0x300
	restartrules_watchers_silent 0+0x300
	restartrules_reports_total{code="503"} 0+0x300
	apiserver_admission_webhook_rejection_count{name="pods.restartrules.dev",type="admit",operation="CREATE",error_type="no_error",rejection_code="422"} 0+5x300
`

// TestAlerts: which alerts fire, and when they begin to. Times are minutes.
func TestAlerts(t *testing.T) {
	for name, test := range map[string]struct {
		// series are those of the time; without those of served if there is no webhook.
		series string
		down   bool
		// alerts fire from that minute on, until the last, with these labels.
		alerts map[string]int
		until  int
	}{
		"all is well": {until: 240},
		"no webhook":  {down: true, alerts: map[string]int{"RestartRulesWebhookDown critical": 5}, until: 30},
		"it can't decide": {
			series: `restartrules_admissions_total{resource="jobs",operation="UPDATE",outcome="error"} 0+0x10 1+1x60`,
			alerts: map[string]int{"RestartRulesWebhookFailing critical UPDATE jobs": 16}, until: 40},
		"one panic": {
			series: `restartrules_admissions_total{resource="pods",operation="UPDATE",outcome="error"} 0+0x10 1+0x100`, until: 60},
		"the API server gets no answer": {
			series: `apiserver_admission_webhook_rejection_count{name="workloads.namespaces.restartrules.dev",type="admit",operation="CREATE",error_type="calling_webhook_error",rejection_code="0"} 0+1x60`,
			alerts: map[string]int{"RestartRulesWebhookNotAnswering critical calling_webhook_error workloads.namespaces.restartrules.dev": 6}, until: 40},
		"another's webhook doesn't answer": {
			series: `apiserver_admission_webhook_rejection_count{name="pods.example.com",type="admit",operation="CREATE",error_type="calling_webhook_error",rejection_code="0"} 0+1x60`, until: 40},
		"it is slow": {
			series: `restartrules_admission_duration_seconds_bucket{le="0.1",pod="slow"} 0+0x60
				restartrules_admission_duration_seconds_bucket{le="3.2",pod="slow"} 0+60x60
				restartrules_admission_duration_seconds_bucket{le="+Inf",pod="slow"} 0+60x60`,
			alerts: map[string]int{"RestartRulesWebhookSlow warning": 11}, until: 40},
		"nobody has replaced the certificate": {
			series: `restartrules_certificate_expiration_timestamp_seconds{pod="b"} 1209600+0x200`, // 14 days from the beginning
			alerts: map[string]int{"RestartRulesCertificateExpiresSoon warning": 61}, until: 120},
		"it ends tomorrow": {
			series: `restartrules_certificate_expiration_timestamp_seconds{pod="b"} 100000+0x200`,
			alerts: map[string]int{"RestartRulesCertificateExpiresSoon critical": 10, "RestartRulesCertificateExpiresSoon warning": 60}, until: 120},
		"a replica has none": {
			series: `restartrules_certificate_expiration_timestamp_seconds{pod="b"} 0+0x200`,
			alerts: map[string]int{"RestartRulesCertificateExpiresSoon critical": 10}, until: 30},
		"a Deployment restarts and restarts": {
			series: `restartrules_restarts_total{namespace="shop",workload_kind="Deployment",workload="web",action="Restart",outcome="completed"} 0+12x100`,
			alerts: map[string]int{"RestartRulesRestartStorm warning shop web Deployment": 20}, until: 60},
		"a thousand Pods restart once": {
			series: `restartrules_restarts_total{namespace="ml",workload_kind="JobSet",workload="train",action="RestartAllContainers",outcome="completed"} 0+0x10 1000+0x100`, until: 60},
		"a Pod is given up": {
			series: `restartrules_pods_failed_total{namespace="ml",reason="replay"} 0+0x10 1+0x100`,
			alerts: map[string]int{"RestartRulesReplayFailing warning ml replay": 11}, until: 20},
		"long ago": {
			series: `restartrules_pods_failed_total{namespace="ml",reason="replay"} 0+0x10 1+0x100`, until: 60},
		"reports are given up": {
			series: `restartrules_report_dropped_total{pod="b"} 0+0x10 5+0x100`,
			alerts: map[string]int{"RestartRulesReportsDropped warning": 11}, until: 20},
		"a queue that doesn't get shorter": {
			series: `restartrules_report_pods_waiting{pod="b"} 0+0x10 9000+0x100`,
			alerts: map[string]int{"RestartRulesReportsLate warning": 26}, until: 60},
		"a storm that is written within minutes": {
			series: `restartrules_report_pods_waiting{pod="b"} 0+0x10 10000-1200x8 0+0x100`, until: 60},
		"reports are sent away": {
			series: `restartrules_reports_total{code="503",pod="b"} 0+600x100`,
			alerts: map[string]int{"RestartRulesReportsLate warning": 16}, until: 60},
		"a watcher is silent": {
			series: `restartrules_watchers_silent{pod="b"} 0+0x10 1+0x100`,
			alerts: map[string]int{"RestartRulesWatchersSilent warning": 16}, until: 60},
		"a namespace that denies egress": {
			series: `restartrules_watchers_expected_total{namespace="closed"} 1+1x100`,
			alerts: map[string]int{"RestartRulesWatchersNotHeard info closed": 16}, until: 90},
		"one whose Pods come and report": {
			series: `restartrules_watchers_expected_total{namespace="open"} 1+1x100
				restartrules_watchers_heard_total{namespace="open"} 1+1x100`, until: 90},
	} {
		t.Run(name, func(t *testing.T) {
			text := "load 1m"
			if !test.down {
				text += strings.TrimRight(served, "\t\n")
			}
			if got := firing(t, text+"\n"+test.series, test.until); test.alerts == nil {
				require.Empty(t, got)
			} else {
				require.Equal(t, test.alerts, got)
			}
		})
	}
}

// firing evaluates all rules each minute, as Prometheus does, and returns which alerts fire in the last, and since when.
func firing(t *testing.T, series string, until int) map[string]int {
	t.Helper()
	storage := promqltest.LoadedStorage(t, series)
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:            rules.EngineQueryFunc(engine, storage),
		AppendableV2:         storage,
		Queryable:            storage,
		Context:              t.Context(),
		NotifyFunc:           func(_ context.Context, _ string, _ ...*rules.Alert) {},
		Logger:               slog.New(slog.NewTextHandler(io.Discard, nil)),
		NameValidationScheme: model.UTF8Validation,
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, component+"/rules.yaml")
	require.Empty(t, errs)
	since := map[string]int{}
	for minute := range until + 1 {
		now := map[string]bool{}
		for _, group := range groups {
			group.Eval(t.Context(), time.Unix(int64(minute)*60, 0))
			for _, r := range group.AlertingRules() {
				require.NoError(t, r.LastError(), r.Name())
				for _, a := range r.ActiveAlerts() {
					if a.State == rules.StateFiring {
						now[nameOf(a)] = true
					}
				}
			}
		}
		for name := range since {
			if !now[name] {
				delete(since, name)
			}
		}
		for name := range now {
			if _, fires := since[name]; !fires {
				since[name] = minute
			}
		}
	}
	return since
}

// nameOf is the alert's name, its severity, and the values of its other labels in the order of their names.
func nameOf(a *rules.Alert) string {
	var rest []string
	for name, value := range a.Labels.Map() {
		if name != model.AlertNameLabel && name != "severity" {
			rest = append(rest, name+"\x00"+value)
		}
	}
	slices.Sort(rest)
	text := fmt.Sprint(a.Labels.Get(model.AlertNameLabel), " ", a.Labels.Get("severity"))
	for _, label := range rest {
		for i, r := range label {
			if r == 0 {
				text += " " + label[i+1:]
			}
		}
	}
	return text
}
