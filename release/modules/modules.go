// Package modules tells which Go modules are linked into programs, and under which licences they are.
package modules

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// A Module is linked into a program. The Go distribution is one, as Std.
type Module struct {
	Path, Version string
	// Sum is the module's hash as in go.sum; empty for Std.
	Sum string
}

// Std is the path of the module that is the Go distribution, as Go's vulnerability database has it.
const Std = "std"

// A Program is what Read found in the file of one.
type Program struct {
	Name    string
	Main    Module
	Modules []Module // without Main; by path
	// Revision is the commit that it was built from; empty if Go wasn't told.
	Revision string
}

// Read reads the build information of the program in the file.
func Read(file string) (Program, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return Program{}, err
	}
	p := Program{Name: filepath.Base(file), Main: Module{Path: info.Main.Path, Version: info.Main.Version}}
	version, _, _ := strings.Cut(info.GoVersion, " ") // an experiment follows
	p.Modules = append(p.Modules, Module{Path: Std, Version: version})
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		p.Modules = append(p.Modules, Module{Path: dependency.Path, Version: dependency.Version, Sum: dependency.Sum})
	}
	slices.SortFunc(p.Modules, Module.compare)
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			p.Revision = setting.Value
		}
	}
	return p, nil
}

func (m Module) compare(other Module) int {
	return cmp.Or(cmp.Compare(m.Path, other.Path), cmp.Compare(m.Version, other.Version))
}

// Union is what is linked into any of the programs, by path.
func Union(programs ...Program) []Module {
	all := map[Module]bool{}
	for _, p := range programs {
		for _, m := range p.Modules {
			all[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), Module.compare)
}

// A License is a file with the text of a licence, or a notice that has to go with it.
type License struct {
	File, Text string
	// IDs are the licences of the SPDX list that the text is made of; none for a notice.
	IDs []string
}

// Cache finds the sources of modules where Go has put them to build from.
type Cache struct{ modules, root string }

// OpenCache asks Go where modules are.
func OpenCache() (Cache, error) {
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOROOT").Output()
	if err != nil {
		return Cache{}, fmt.Errorf("go env: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 {
		return Cache{}, fmt.Errorf("go env GOMODCACHE GOROOT: %q", out)
	}
	return Cache{modules: lines[0], root: lines[1]}, nil
}

// Licenses are the files of the module that are its licence or that its licence wants handed on. A module without
// any is an error, and so is a licence that is not known.
func (c Cache) Licenses(m Module) ([]License, error) {
	directory, err := c.directory(m)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("sources of %s %s: %w", m.Path, m.Version, err)
	}
	var found []License
	licensed := false
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isLegal(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			return nil, err
		}
		l := License{File: entry.Name(), Text: string(text), IDs: identify(string(text))}
		licensed = licensed || len(l.IDs) > 0
		found = append(found, l)
	}
	if !licensed {
		return nil, fmt.Errorf("%s %s has no licence that is known, in %d files", m.Path, m.Version, len(found))
	}
	return found, nil
}

func (c Cache) directory(m Module) (string, error) {
	if m.Path == Std {
		return c.root, nil
	}
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return "", err
	}
	return filepath.Join(c.modules, path+"@"+version), nil
}

// isLegal tells whether a file at the root of a module is by its name a licence or a notice.
func isLegal(file string) bool {
	upper := strings.ToUpper(file)
	return !strings.HasSuffix(upper, ".GO") && slices.ContainsFunc(
		[]string{"LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "PATENTS", "UNLICENSE"},
		func(prefix string) bool { return strings.HasPrefix(upper, prefix) })
}

// IDs are the licences of all the files, each once.
func IDs(licenses []License) []string {
	var ids []string
	for _, l := range licenses {
		for _, id := range l.IDs {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// Text is one document with the product's own licence and those of the modules. Texts that several modules share are
// there once.
func (c Cache) Text(own string, list []Module) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Restart Rules is under this licence:\n\n%s\n", own)
	users, order := map[string][]string{}, []string{}
	for _, m := range list {
		licenses, err := c.Licenses(m)
		if err != nil {
			return "", err
		}
		for _, l := range licenses {
			if users[l.Text] == nil {
				order = append(order, l.Text)
			}
			users[l.Text] = append(users[l.Text], m.Path+" "+m.Version+" ("+l.File+")")
		}
	}
	for _, text := range order {
		fmt.Fprintf(&b, "%s\nIt has in it:\n  %s\n\n%s\n", strings.Repeat("-", 80), strings.Join(users[text], "\n  "), text)
	}
	return b.String(), nil
}
