package manifest

import "go.yaml.in/yaml/v3"

func (p *parser) restartAllContainers(path string, n *yaml.Node) *RestartAllContainers {
	r := new(RestartAllContainers)
	seconds := func(to **int32, least, most int32) func(string, *yaml.Node) {
		return func(path string, n *yaml.Node) {
			if v, ok := p.number(path, n, least, most); ok {
				*to = &v
			}
		}
	}
	p.mapping(path, n, []field{
		{"terminationGracePeriodSeconds", seconds(&r.TerminationGracePeriodSeconds, 0, MaxGraceSeconds)},
		{"preStop", func(path string, n *yaml.Node) { r.PreStop = p.truth(path, n) }},
		{"backoff", func(path string, n *yaml.Node) { r.Backoff = p.backoff(path, n) }},
		{"killTimeoutSeconds", seconds(&r.KillTimeoutSeconds, 1, MaxKillTimeoutSeconds)},
	})
	return r
}
