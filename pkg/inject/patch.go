package inject

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"restartrules.dev/pkg/manifest"
)

// Op is one operation of a JSON patch (RFC 6902): add, replace or remove.
type Op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// patch collects operations. They are applied one after the other: paths are those of the object
// as the operations before have left it.
type patch struct {
	ops []Op
	// paths holds the paths, one behind the other.
	paths strings.Builder
}

// path is the JSON pointer of these parts.
func (p *patch) path(parts ...string) string {
	const piece = 512
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	if p.paths.Cap()-p.paths.Len() < length {
		p.paths = strings.Builder{} // what is in the old one stays where it is
		p.paths.Grow(max(piece, length))
	}
	begin := p.paths.Len()
	for _, part := range parts {
		p.paths.WriteString(part)
	}
	return p.paths.String()[begin:]
}

// at is the JSON pointer of an item of a list.
func (p *patch) at(list string, index int) string { return p.path(list, "/", strconv.Itoa(index)) }

func (p *patch) add(path string, value any) { p.ops = append(p.ops, Op{"add", path, value}) }

func (p *patch) replace(path string, value any) { p.ops = append(p.ops, Op{"replace", path, value}) }

func (p *patch) remove(path string) { p.ops = append(p.ops, Op{Op: "remove", Path: path}) }

// command makes a command of a container what it is to be. There is none where the image's runs.
func (p *patch) command(container, field string, live, want []string) {
	if slices.Equal(live, want) {
		return
	}
	path := p.path(container, field)
	switch {
	case len(live) == 0:
		p.add(path, want)
	case len(want) == 0:
		p.remove(path)
	default:
		p.replace(path, want)
	}
}

// set sets the wanted entries of an object of strings, which may not be there yet.
func (p *patch) set(path string, live, want map[string]string) {
	if live == nil && len(want) > 0 {
		p.add(path, want)
		return
	}
	keys := slices.AppendSeq(make([]string, 0, 8), maps.Keys(want))
	slices.Sort(keys)
	for _, key := range keys {
		value, ok := live[key]
		switch {
		case !ok:
			p.add(p.path(path, "/", escape(key)), want[key])
		case value != want[key]:
			p.replace(p.path(path, "/", escape(key)), want[key])
		}
	}
}

// dropAnnotation removes an annotation, if it is there.
func (p *patch) dropAnnotation(pod *manifest.Pod, name string) {
	if _, ok := pod.Metadata.Annotations[name]; ok {
		p.remove("/metadata/annotations/" + escape(name))
	}
}

// appendTo appends to a list, which may not be there yet.
func appendTo[L, V any](p *patch, path string, live []L, values ...V) {
	if live == nil && len(values) > 0 {
		p.add(path, values)
		return
	}
	for _, v := range values {
		p.add(p.path(path, "/-"), v)
	}
}

// removeAt removes items of a list by their indexes, which ascend.
func (p *patch) removeAt(path string, indexes []int) {
	for _, i := range slices.Backward(indexes) {
		p.remove(p.at(path, i))
	}
}

// Pointer is the JSON pointer (RFC 6901) of these keys.
func Pointer(keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString("/" + escape(key))
	}
	return b.String()
}

// escape makes one step of a JSON pointer (RFC 6901) of a key.
func escape(key string) string { return escaper.Replace(key) }

var escaper = strings.NewReplacer("~", "~0", "/", "~1")
