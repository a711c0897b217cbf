package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// ParseDocument reads a document, YAML or JSON. It reports everything that is wrong with it, not
// only the first; then the Document holds what could be read. Whether policies, actions and
// operators have known values is for package validation.
func ParseDocument(text string) (*Document, []*DocumentError) {
	p := &parser{doc: &Document{lines: map[string]int{}}}
	if root := p.root(text); root != nil {
		p.document(root)
	}
	return p.doc, p.errs
}

// parser walks the nodes of a document. It never follows aliases, so a document can't grow.
type parser struct {
	doc  *Document
	errs []*DocumentError
}

// field is the parser of the value of one key.
type field struct {
	key   string
	parse func(path string, n *yaml.Node)
}

// Fields of the design's superset that are not there yet; saying so is kinder than "unknown key".
var notYet = []string{"maxRestarts", "within", "restartAllContainers"}

var lineInMessage = regexp.MustCompile(`^yaml: line (\d+): `)

func (p *parser) fail(path string, line int, format string, args ...any) {
	p.errs = append(p.errs, &DocumentError{Path: path, Line: line, Detail: fmt.Sprintf(format, args...)})
}

func (p *parser) root(text string) *yaml.Node {
	data := []byte(text)
	if json.Valid(data) {
		// JSON may be indented with tabs, YAML may not; inside JSON's strings there are none.
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		p.fail("", 0, "is empty, expected a document with containers or initContainers")
		return nil
	}
	if err != nil {
		p.syntax(err)
		return nil
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		p.fail("", more.Line, "a second YAML document begins here, expected only one")
	}
	return doc.Content[0]
}

// syntax reports what the YAML parser says. Its messages carry the line as text.
func (p *parser) syntax(err error) {
	message, line := err.Error(), 0
	if m := lineInMessage.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	p.fail("", line, "neither YAML nor JSON: %s", strings.TrimPrefix(message, "yaml: "))
}

func (p *parser) document(n *yaml.Node) {
	p.mapping("", n, []field{
		{"version", p.version},
		{"containers", func(path string, n *yaml.Node) { p.doc.Containers = p.containers(path, n) }},
		{"initContainers", func(path string, n *yaml.Node) { p.doc.InitContainers = p.containers(path, n) }},
	})
}

func (p *parser) version(path string, n *yaml.Node) {
	if v, ok := p.text(path, n, strconv.Quote(DocumentVersion)); ok && v != DocumentVersion {
		p.fail(path, n.Line, "unknown version %q, expected %q", v, DocumentVersion)
	}
}

func (p *parser) containers(path string, n *yaml.Node) (list []DocumentContainer) {
	p.entries(path, n, "containers by name", func(key *yaml.Node, value *yaml.Node) {
		c := DocumentContainer{Name: key.Value}
		p.container(p.at(path+"["+key.Value+"]", key), value, &c)
		list = append(list, c)
	})
	return list
}

func (p *parser) container(path string, n *yaml.Node, c *DocumentContainer) {
	p.mapping(path, n, []field{
		{"restartPolicy", func(path string, n *yaml.Node) {
			if v, ok := p.text(path, n, "a restart policy"); ok {
				c.RestartPolicy = policyOf(v)
			}
		}},
		{"restartPolicyRules", func(path string, n *yaml.Node) {
			p.items(path, n, "a list of rules", func(path string, n *yaml.Node) {
				c.RestartPolicyRules = append(c.RestartPolicyRules, p.rule(path, n))
			})
		}},
		{"backoff", func(path string, n *yaml.Node) { c.Backoff = p.backoff(path, n) }},
	})
}

func (p *parser) rule(path string, n *yaml.Node) (rule corev1.ContainerRestartRule) {
	p.mapping(path, n, []field{
		{"action", func(path string, n *yaml.Node) {
			v, _ := p.text(path, n, "an action")
			rule.Action = corev1.ContainerRestartRuleAction(v)
		}},
		{"exitCodes", func(path string, n *yaml.Node) { rule.ExitCodes = p.exitCodes(path, n) }},
	})
	return rule
}

func (p *parser) exitCodes(path string, n *yaml.Node) *corev1.ContainerRestartRuleOnExitCodes {
	codes := new(corev1.ContainerRestartRuleOnExitCodes)
	p.mapping(path, n, []field{
		{"operator", func(path string, n *yaml.Node) {
			v, _ := p.text(path, n, "In or NotIn")
			codes.Operator = corev1.ContainerRestartRuleOnExitCodesOperator(v)
		}},
		{"values", func(path string, n *yaml.Node) {
			p.items(path, n, "a list of exit codes", func(path string, n *yaml.Node) {
				codes.Values = append(codes.Values, p.exitCode(path, n))
			})
		}},
	})
	return codes
}

func (p *parser) exitCode(path string, n *yaml.Node) int32 {
	var v int64
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Decode(&v) != nil || v < math.MinInt32 || v > math.MaxInt32 {
		p.fail(path, n.Line, "expected an exit code, a number, got %s", describe(n))
		return 0
	}
	return int32(v)
}

func (p *parser) backoff(path string, n *yaml.Node) *Backoff {
	b := DefaultBackoff
	if n.Kind == yaml.ScalarNode {
		if n.Value != "none" || n.Tag != "!!str" {
			p.fail(path, n.Line, `expected none or an object with initialDelay, maxDelay and resetAfter, got %s`, describe(n))
			return nil
		}
		return &Backoff{None: true}
	}
	before := len(p.errs)
	delay := func(to *time.Duration) func(string, *yaml.Node) {
		return func(path string, n *yaml.Node) { p.duration(path, n, to) }
	}
	p.mapping(path, n, []field{
		{"initialDelay", delay(&b.InitialDelay)},
		{"maxDelay", delay(&b.MaxDelay)},
		{"resetAfter", delay(&b.ResetAfter)},
	})
	if len(p.errs) == before && b.InitialDelay > b.MaxDelay {
		p.fail(path, n.Line, "initialDelay %s is longer than maxDelay %s", b.InitialDelay, b.MaxDelay)
	}
	return &b
}

func (p *parser) duration(path string, n *yaml.Node, to *time.Duration) {
	const expected = `a duration like "500ms", "10s" or "5m"`
	v, ok := p.text(path, n, expected)
	if !ok {
		return
	}
	d, err := time.ParseDuration(v)
	switch {
	case err != nil:
		p.fail(path, n.Line, "expected %s, got %q", expected, v)
	case d <= 0:
		p.fail(path, n.Line, "expected a duration above zero, got %q; write backoff: none to restart at once", v)
	default:
		*to = d
	}
}

// mapping reads an object whose keys are known.
func (p *parser) mapping(path string, n *yaml.Node, fields []field) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	p.entries(path, n, "an object with "+strings.Join(keys, ", "), func(key, value *yaml.Node) {
		if i := slices.Index(keys, key.Value); i >= 0 {
			fields[i].parse(p.at(join(path, key.Value), key), value)
			return
		}
		if slices.Contains(notYet, key.Value) {
			p.fail(path, key.Line, "%s is not supported by this version of Restart Rules", key.Value)
			return
		}
		p.fail(path, key.Line, "unknown key %q, %s", key.Value, suggest(key.Value, keys))
	})
}

// entries reads an object with any keys, each once.
func (p *parser) entries(path string, n *yaml.Node, expected string, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fail(path, n.Line, "expected %s, got %s", expected, describe(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			p.fail(path, key.Line, "expected a key, got %s", describe(key))
			continue
		}
		if first, ok := lines[key.Value]; ok {
			p.fail(path, key.Line, "key %q is there twice, first in line %d", key.Value, first)
			continue
		}
		lines[key.Value] = key.Line
		each(key, n.Content[i+1])
	}
}

func (p *parser) items(path string, n *yaml.Node, expected string, each func(path string, n *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		p.fail(path, n.Line, "expected %s, got %s", expected, describe(n))
		return
	}
	for i, item := range n.Content {
		each(p.at(path+"["+strconv.Itoa(i)+"]", item), item)
	}
}

func (p *parser) text(path string, n *yaml.Node, expected string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		p.fail(path, n.Line, "expected %s, got %s", expected, describe(n))
		return "", false
	}
	return n.Value, true
}

// at remembers the line of the path.
func (p *parser) at(path string, n *yaml.Node) string {
	p.doc.lines[path] = n.Line
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + n.Value + "), which is not supported"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
