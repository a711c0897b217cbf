// Command generate writes what of the documentation follows from the code: the tables of what happens after which exit,
// the reference of names, and the diagrams. A test fails if a file is not what this makes of the code.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . -docs ..

func main() {
	docs := flag.String("docs", "docs", "directory to write into")
	flag.Parse()
	if err := write(*docs); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(docs string) error {
	files, err := generate(filepath.Join(docs, ".."))
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(docs, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the files by their paths in docs. root is the repository.
func generate(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	var err error
	if files["reference.md"], err = reference(filepath.Join(root, "pkg", "api")); err != nil {
		return nil, err
	}
	if files["combinations.md"], err = combinations(); err != nil {
		return nil, err
	}
	for name, d := range diagrams {
		files[filepath.Join("images", name+".svg")] = d.svg()
	}
	return files, nil
}
