// Package pages reads the Markdown of this repository as far as tests need it: blocks of text as they are shown, what
// is linked, and which commands a page has.
package pages

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	// Path is that of the file, from the repository's root.
	Path string
	// Lines are the lines of the file, the first is line 1 and has the index 0.
	Lines []string
	// Blocks are what is shown as it is, in the order of the page.
	Blocks []Block
	// Prose is the text outside of the blocks, line by line; within blocks there are empty lines.
	Prose []string
}

// Block is fenced or indented text.
type Block struct {
	// Line is the first line of the text.
	Line int
	// Language is what follows the fence; empty for indented text.
	Language string
	// Indented says that the block has no fence.
	Indented bool
	// Section is the heading above it.
	Section string
	Lines   []string
}

// Text is the block's text.
func (b *Block) Text() string { return strings.Join(b.Lines, "\n") + "\n" }

// ReadAll reads all Markdown below root but for test data and what is built.
func ReadAll(root string) ([]*Page, error) {
	var all []*Page
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "bin", "testdata", "node_modules"}, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		page, err := Read(root, filepath.ToSlash(relative))
		all = append(all, page)
		return err
	})
	return all, err
}

// Read reads the page at the path, which is seen from root.
func Read(root, path string) (*Page, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	return Parse(path, string(text))
}

const indent = "    "

// Parse reads a page. Its path is for errors and links.
func Parse(path, text string) (*Page, error) {
	p := &Page{Path: path, Lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	p.Prose = make([]string, len(p.Lines))
	section, list := "", false
	for i := 0; i < len(p.Lines); i++ {
		line := p.Lines[i]
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(trimmed, "```"):
			b := Block{Line: i + 2, Language: strings.TrimPrefix(trimmed, "```"), Section: section}
			margin := line[:len(line)-len(trimmed)]
			for i++; i < len(p.Lines) && strings.TrimSpace(p.Lines[i]) != "```"; i++ {
				b.Lines = append(b.Lines, strings.TrimPrefix(p.Lines[i], margin))
			}
			if i == len(p.Lines) {
				return nil, fmt.Errorf("%s:%d: the block has no end", path, b.Line-1)
			}
			p.Blocks = append(p.Blocks, b)
		case strings.HasPrefix(line, indent) && !list && (i == 0 || p.Lines[i-1] == ""):
			b := Block{Line: i + 1, Indented: true, Section: section}
			for ; i < len(p.Lines) && (strings.HasPrefix(p.Lines[i], indent) || p.Lines[i] == ""); i++ {
				b.Lines = append(b.Lines, strings.TrimPrefix(p.Lines[i], indent))
			}
			for i--; b.Lines[len(b.Lines)-1] == ""; i-- {
				b.Lines = b.Lines[:len(b.Lines)-1]
			}
			p.Blocks = append(p.Blocks, b)
		default:
			p.Prose[i] = line
			if strings.HasPrefix(line, "#") {
				section = strings.TrimSpace(strings.TrimLeft(line, "#"))
			}
			// What is indented below an item of a list is text.
			list = item.MatchString(line) || list && (line == "" || strings.HasPrefix(line, " "))
		}
	}
	return p, nil
}

var (
	item   = regexp.MustCompile(`^\s*([-*]|\d+\.) `)
	span   = regexp.MustCompile("`+[^`]+`+")
	link   = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)\)`)
	marked = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	other  = regexp.MustCompile(`[^\p{L}\p{N}\p{M}_\- ]`)
)

// Link is a link of a page, or a picture.
type Link struct {
	Line   int
	Target string
}

// Links are the page's links in prose. One may be broken over two lines, but not over paragraphs.
func (p *Page) Links() (links []Link) {
	for first := 0; first < len(p.Prose); first++ {
		last := first
		for last < len(p.Prose) && p.Prose[last] != "" {
			last++
		}
		text := strings.Join(p.Prose[first:last], "\n")
		text = span.ReplaceAllStringFunc(text, func(code string) string { return strings.Repeat("\n", strings.Count(code, "\n")) })
		for _, at := range link.FindAllStringSubmatchIndex(text, -1) {
			links = append(links, Link{first + 1 + strings.Count(text[:at[0]], "\n"), text[at[2]:at[3]]})
		}
		first = last
	}
	return links
}

// Anchors are the names that a link to a heading of the page has behind its #, as GitHub makes them.
func (p *Page) Anchors() (anchors []string) {
	for _, line := range p.Prose {
		title, found := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !found || !strings.HasPrefix(line, "#") {
			continue
		}
		title = marked.ReplaceAllString(title, "$1")
		anchor := strings.ReplaceAll(other.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")
		name := anchor
		for n := 1; slices.Contains(anchors, name); n++ {
			name = fmt.Sprintf("%s-%d", anchor, n)
		}
		anchors = append(anchors, name)
	}
	return anchors
}
