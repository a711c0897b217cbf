// Command page makes of what `make bench` has measured a table on stdout, docs/benchmarks.md and its pictures.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"restartrules.dev/e2e/bench/gang"
	"restartrules.dev/e2e/bench/results"
)

// images is where the pictures are, below the documentation.
const images = "images/bench"

func main() {
	from := flag.String("from", "bin/bench", "directory with what was measured")
	docs := flag.String("docs", "docs", "directory of the documentation; empty: only the table is printed")
	flag.Parse()
	if err := run(*from, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

func run(from, docs string) error {
	parts, err := results.Load(from)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return fmt.Errorf("nothing was measured yet: %s is empty; run make bench", from)
	}
	set, sections := &results.Set{Parts: parts}, results.Sections()
	model, missed := gang.Report(set)
	extras := []results.Extra{{Section: "Gangs", Text: model, Missed: missed}}
	for _, s := range sections {
		fmt.Print(s.Text(set))
	}
	if model != "" {
		fmt.Print("\n" + model)
	}
	failed, unmeasured := results.Shortfalls(sections, set)
	for _, line := range append(failed, missed...) {
		fmt.Println("MISSED ", line)
	}
	for _, line := range unmeasured {
		fmt.Println("not measured:", line)
	}
	if docs == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(docs, images), 0o755); err != nil {
		return err
	}
	for _, s := range sections {
		path := filepath.Join(docs, images, s.PlotName+".svg")
		if s.PlotName == "" {
			continue
		}
		if picture := s.Plot.SVG(set); picture != nil {
			if err := os.WriteFile(path, picture, 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(docs, "benchmarks.md"), []byte(results.Page(set, sections, extras, images)), 0o644)
}
