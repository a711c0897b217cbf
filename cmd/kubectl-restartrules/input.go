package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// inputOptions are the flags of all commands.
type inputOptions struct {
	filenames      []string
	recursive      bool
	podTemplates   []string
	nativeFeatures []string
}

func (o *inputOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVarP(&o.filenames, "filename", "f", nil,
		"File, directory (its .yaml, .yml and .json files), or - for standard input. Repeatable.")
	flags.BoolVarP(&o.recursive, "recursive", "R", false, "Also the directories below those of --filename.")
	flags.StringArrayVar(&o.podTemplates, "pod-templates", nil,
		"Further kind with Pod templates, as group/version/resource=path[,path]. Repeatable.")
}

// required makes cobra ask for files.
func (o *inputOptions) required(cmd *cobra.Command) {
	_ = cmd.MarkFlagRequired("filename") // only fails without the flag
}

// addFeatures adds --native-features, where it matters.
func (o *inputOptions) addFeatures(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.nativeFeatures, "native-features", nil,
		"What the cluster has itself: ContainerRestartRules, RestartAllContainersOnContainerExits, or both.")
}

// injectOptions are the webhook's options, as far as they matter for what it finds.
func (o *inputOptions) injectOptions() (inject.Options, error) {
	features, err := compile.ParseFeatures(o.nativeFeatures)
	if err != nil {
		return inject.Options{}, fmt.Errorf("--native-features: %w", err)
	}
	return inject.Options{Native: features, ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort}, nil
}

// input is what was read.
type input struct {
	docs []*source.Document
	// subjects are the Pods and workloads in docs, in their order.
	subjects []*subject
	// ignored counts the other objects, and documents without any.
	ignored int
	// findings are of objects that could not be looked into, and notes.
	findings []finding
	// unread is what could not be read at all, or nil.
	unread error
}

// read reads all files. The error is of the usage; errors of the files are in the input.
func (o *inputOptions) read(cmd *cobra.Command) (*input, error) {
	var known kinds
	for _, text := range o.podTemplates {
		kind, err := workload.ParseKind(text)
		if err != nil {
			return nil, fmt.Errorf("--pod-templates: %w", err)
		}
		known = append(known, kind)
	}
	if i := slices.IndexFunc(o.filenames, isURL); i >= 0 {
		return nil, fmt.Errorf("--filename: %s is a URL, and nothing is fetched here: pipe it into -f -", o.filenames[i])
	}
	docs, errs := source.Read(o.filenames, o.recursive, cmd.InOrStdin())
	in := &input{docs: docs}
	if len(errs) > 0 {
		in.unread = inputErrors(errs)
	}
	for _, d := range docs {
		if len(d.Objects) == 0 {
			in.ignored++
		}
		for _, object := range d.Objects {
			in.add(known, object)
		}
	}
	if len(docs) == 0 && in.unread == nil {
		return nil, errors.New("--filename: no document in what was read")
	}
	return in, nil
}

func (in *input) add(known kinds, o *source.Object) {
	s, note, err := known.subject(o)
	switch {
	case err != nil:
		in.findings = append(in.findings, at(o, severityError, "", err.Error()))
	case s != nil:
		in.subjects = append(in.subjects, s)
	default:
		in.ignored++
		if note != "" {
			in.findings = append(in.findings, at(o, severityNote, "spec.template", note))
		}
	}
}

// sort sorts findings as they would be read: the files in their order, then by line.
func (in *input) sort(findings []finding) {
	files := map[string]int{}
	for _, d := range in.docs {
		if _, ok := files[d.File]; !ok {
			files[d.File] = len(files)
		}
	}
	slices.SortStableFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(files[a.File], files[b.File]), cmp.Compare(a.Line, b.Line))
	})
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}
