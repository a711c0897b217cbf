package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// Document is one document of a stream, as it was written.
type Document struct {
	// File is the name of the file as it was asked for; Stdin for standard input.
	File string
	// Index counts the documents of the file that have content, from 1.
	Index int
	// Text is the document without the markers around it.
	Text []byte
	// JSON is the same as JSON, converted as kubectl does.
	JSON json.RawMessage
	// Objects are the Kubernetes objects in it: one, or the items of a list, or none.
	Objects []*Object

	// line is the line of the file before the document's first.
	line int
	// node is the document's root; nil if only the other parser understands it.
	node   *yaml.Node
	isJSON bool
}

// Object is a Kubernetes object.
type Object struct {
	Document *Document
	// Pointer is the JSON pointer of the object in its document: empty, or of an item of a list.
	Pointer string
	// JSON is the object.
	JSON                              json.RawMessage
	APIVersion, Kind, Namespace, Name string

	node *yaml.Node
}

// ID names the object for people: "Pod/web" or "Job/batch/train" with its namespace.
func (o *Object) ID() string {
	parts := []string{o.Kind}
	if o.Namespace != "" {
		parts = append(parts, o.Namespace)
	}
	return strings.Join(append(parts, o.Name), "/")
}

// head is what tells an object from others.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
		Namespace    string `json:"namespace"`
	} `json:"metadata"`
}

// parse makes a document of a chunk. The error begins with file and line.
func parse(file string, index int, c chunk) (*Document, error) {
	d := &Document{File: file, Index: index, Text: c.text, line: c.line - 1, isJSON: json.Valid(c.text)}
	text := c.text
	if d.isJSON {
		d.JSON = bytes.TrimSpace(c.text)
		// JSON may be indented with tabs, YAML may not; inside JSON's strings there are none.
		text = bytes.ReplaceAll(c.text, []byte("\t"), []byte(" "))
	} else {
		converted, err := sigsyaml.YAMLToJSON(c.text)
		if err != nil {
			return nil, d.syntax(err)
		}
		d.JSON = converted
	}
	var root yaml.Node
	if yaml.Unmarshal(text, &root) == nil && root.Kind == yaml.DocumentNode {
		d.node = &root
	}
	d.Objects = d.objects()
	return d, nil
}

var lineInMessage = regexp.MustCompile(`line (\d+): `)

// syntax is the parser's error with file and line in front.
func (d *Document) syntax(err error) error {
	message, line := err.Error(), 1
	if m := lineInMessage.FindStringSubmatchIndex(message); m != nil {
		line, _ = strconv.Atoi(message[m[2]:m[3]])
		message = message[m[1]:]
	}
	return fmt.Errorf("%s:%d: neither YAML nor JSON: %s", d.File, d.line+line, message)
}

// objects are the object that the document is, or the items if it is a list.
func (d *Document) objects() []*Object {
	var list struct {
		head
		Items []json.RawMessage `json:"items"`
	}
	// Fields of wrong types are left empty here, and found by those who look into the object.
	if _ = json.Unmarshal(d.JSON, &list); list.Kind == "" {
		return nil
	}
	root := content(d.node)
	if !strings.HasSuffix(list.Kind, "List") || list.Items == nil {
		return []*Object{d.object(list.head, "", d.JSON, root)}
	}
	var objects []*Object
	for i, item := range list.Items {
		var h head
		_ = json.Unmarshal(item, &h)
		switch {
		case h.Kind != "":
		case list.Kind == "List":
			continue
		default: // items of a PodList need not say that they are Pods
			h.APIVersion, h.Kind = list.APIVersion, strings.TrimSuffix(list.Kind, "List")
		}
		node := child(child(root, "items").value, strconv.Itoa(i)).value
		objects = append(objects, d.object(h, "/items/"+strconv.Itoa(i), item, node))
	}
	return objects
}

func (d *Document) object(h head, pointer string, data json.RawMessage, node *yaml.Node) *Object {
	name := h.Metadata.Name
	if name == "" {
		name = h.Metadata.GenerateName
	}
	return &Object{Document: d, Pointer: pointer, JSON: data, APIVersion: h.APIVersion, Kind: h.Kind,
		Namespace: h.Metadata.Namespace, Name: name, node: node}
}
