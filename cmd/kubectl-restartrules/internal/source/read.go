package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stdin is the name of standard input in messages.
const Stdin = "<stdin>"

// extensions of the files that are read in a directory.
var extensions = []string{".json", ".yaml", ".yml"}

// Read reads files, directories (with recursive also those below them) and "-", which is stdin. It
// goes on after an error: the documents are all that could be read, the errors say in which file and
// line the others are.
func Read(names []string, recursive bool, stdin io.Reader) ([]*Document, []error) {
	var docs []*Document
	var errs []error
	for _, name := range names {
		files, err := expand(name, recursive)
		if err != nil {
			errs = append(errs, fileFirst(err))
			continue
		}
		for _, file := range files {
			stream, err := open(file, stdin)
			if err != nil {
				errs = append(errs, fileFirst(err))
				continue
			}
			if file == "-" {
				file = Stdin
			}
			more, wrong := Parse(file, stream)
			docs, errs = append(docs, more...), append(errs, wrong...)
		}
	}
	return docs, errs
}

// Parse reads the documents of one stream.
func Parse(file string, stream []byte) (docs []*Document, errs []error) {
	for i, c := range split(stream) {
		d, err := parse(file, i+1, c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		docs = append(docs, d)
	}
	return docs, errs
}

func open(file string, stdin io.Reader) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	stream, err := io.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Stdin, err)
	}
	return stream, nil
}

// fileFirst is an error of the file system that begins with the file's name.
func fileFirst(err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}

// expand lists the files of a directory; any other name stands for itself.
func expand(name string, recursive bool) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !recursive:
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no file with one of the extensions %s in this directory", name, strings.Join(extensions, ", "))
	}
	return files, nil
}
