package exittable

// Range is the entry of some codes that follow each other: those behind the range before, up to Last.
type Range struct {
	Last  int
	Entry Entry
}

// Ranges are a table in short: ascending, covering 0..255, neighbours with the same entry being one.
type Ranges []Range

// Append has the entry for the codes behind the last range, up to last.
func (r Ranges) Append(last int, entry Entry) Ranges {
	if n := len(r); n > 0 && r[n-1].Entry.Equal(entry) {
		r[n-1].Last = last
		return r
	}
	return append(r, Range{last, entry})
}

// At is the entry of the code, which must be 0..255.
func (r Ranges) At(code int) Entry {
	for _, is := range r {
		if code <= is.Last {
			return is.Entry
		}
	}
	return nil // not reached: they cover all codes
}
