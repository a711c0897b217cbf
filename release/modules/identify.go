package modules

import (
	"slices"
	"strings"
)

// sentences tell licences apart: a text with all sentences of one, white space aside, is that one. Only licences that
// allow what we do with the modules, link and hand on, are here.
var sentences = []struct {
	id  string
	has []string
	not []string
}{
	{id: "Apache-2.0", has: []string{"Apache License Version 2.0, January 2004", "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"}},
	{id: "MIT", has: []string{
		"Permission is hereby granted, free of charge, to any person obtaining a copy of this software",
		"The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software"}},
	{id: "BSD-3-Clause", has: []string{
		"Redistributions of source code must retain the above copyright notice",
		"Redistributions in binary form must reproduce the above copyright notice",
		"may be used to endorse or promote products derived from this software without specific prior written permission"}},
	{id: "BSD-2-Clause", has: []string{
		"Redistributions of source code must retain the above copyright notice",
		"Redistributions in binary form must reproduce the above copyright notice"},
		not: []string{"may be used to endorse or promote products"}},
	{id: "ISC", has: []string{
		"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies"}},
	{id: "ISC", has: []string{
		"Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies"}},
}

// identify returns the SPDX identifiers of the licences in text, each once.
func identify(text string) []string {
	words := strings.NewReplacer("// ", " ", "# ", " ", "* ", " ").Replace(text)
	words = strings.Join(strings.Fields(words), " ")
	var ids []string
	for _, s := range sentences {
		if containsAll(words, s.has) && !containsAny(words, s.not) && !slices.Contains(ids, s.id) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
