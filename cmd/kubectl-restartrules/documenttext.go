package main

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"restartrules.dev/pkg/manifest"
)

// documentText is the text of an annotation's document while containers are added to it. What the
// user wrote stays, comments too.
type documentText struct {
	root yaml.Node
}

func newDocumentText(text string) (*documentText, error) {
	d := new(documentText)
	if text == "" {
		text = "version: " + manifest.DocumentVersion
	}
	if err := yaml.Unmarshal([]byte(text), &d.root); err != nil {
		return nil, err
	}
	return d, nil
}

// set gives the entry of a container, which has neither, the policy and the rules.
func (d *documentText) set(list, name string, r manifest.Rules) {
	entry := object(object(d.root.Content[0], list), name)
	var added []*yaml.Node
	if r.RestartPolicy != nil {
		added = append(added, text("restartPolicy"), text(string(*r.RestartPolicy)))
	}
	if len(r.RestartPolicyRules) > 0 {
		rules := &yaml.Node{Kind: yaml.SequenceNode}
		for _, rule := range r.RestartPolicyRules {
			codes := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{
				text("operator"), text(string(rule.ExitCodes.Operator))}}
			if rule.ExitCodes.Values != nil {
				codes.Content = append(codes.Content, text("values"), value(rule.ExitCodes.Values))
			}
			rules.Content = append(rules.Content, &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
				text("action"), text(string(rule.Action)), text("exitCodes"), codes}})
		}
		added = append(added, text("restartPolicyRules"), rules)
	}
	entry.Content = append(added, entry.Content...)
}

// encode is the document's text.
func (d *documentText) encode() (string, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&d.root); err != nil {
		return "", err
	}
	err := encoder.Close()
	return out.String(), err
}

// object is the object at the key of another; it is made if it isn't there.
func object(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	made := &yaml.Node{Kind: yaml.MappingNode}
	n.Content = append(n.Content, text(key), made)
	return made
}

// text is a string as a node, quoted where YAML would read something else.
func text(s string) *yaml.Node { return value(s) }

// value is a string or a list of numbers as a node. These can always be encoded.
func value(v any) *yaml.Node {
	n := new(yaml.Node)
	_ = n.Encode(v)
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	return n
}
