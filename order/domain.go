package order

import "slices"

// kind is what values are compared as.
type kind uint8

const (
	number kind = iota + 1
	text        // by a hash of what the collation tells apart
	null
)

// maxValues is how many values of a list are told apart. A longer one is taken
// for all that lies between its ends.
const maxValues = 1000

// domain holds all values that a column has in the rows of an access.
type domain struct {
	column uint8
	kind   kind
	// lo and hi are the bounds, both included. Of texts they are equal, or there is
	// a set.
	lo, hi int64
	// set holds the values, sorted; nil: all between the bounds.
	set []int64
}

func one(column uint8, k kind, v int64) domain {
	return domain{column: column, kind: k, lo: v, hi: v}
}

// single tells whether it holds one value.
func (d *domain) single() bool { return d.kind != null && d.lo == d.hi && d.set == nil }

// listed returns the domain of some values.
func listed(column uint8, k kind, values []int64) (domain, bool) {
	slices.Sort(values)
	values = slices.Compact(values)
	d := domain{column: column, kind: k, lo: values[0], hi: values[len(values)-1]}
	switch {
	case len(values) == 1:
		return d, true
	case len(values) <= maxValues:
		d.set = slices.Clone(values)
		return d, true
	}
	return d, k == number
}

// meets tells whether the two may have a value in common.
func (d *domain) meets(e *domain) bool {
	if d.kind != e.kind {
		return d.kind != null && e.kind != null // compared as something else
	}
	if d.kind == null {
		return true
	}
	if d.kind == number && (d.hi < e.lo || e.hi < d.lo) {
		return false
	}
	switch {
	case d.set == nil && e.set == nil:
		return d.kind == number || d.lo == e.lo
	case d.set == nil:
		return d.meetsSet(e.set)
	case e.set == nil:
		return e.meetsSet(d.set)
	}
	return sharesOne(d.set, e.set)
}

// meetsSet tells whether one of some sorted values lies within the bounds.
func (d *domain) meetsSet(set []int64) bool {
	i, found := slices.BinarySearch(set, d.lo)
	return found || i < len(set) && set[i] <= d.hi
}

func sharesOne(a, b []int64) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			return true
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return false
}

// both returns a domain with the values of two; false where that can't be told.
func both(d, e domain) (domain, bool) {
	if d.kind != e.kind || d.kind == null {
		return d, false
	}
	if d.kind == number && (d.set == nil && !d.single() || e.set == nil && !e.single()) {
		d.lo, d.hi, d.set = min(d.lo, e.lo), max(d.hi, e.hi), nil
		return d, true
	}
	return listed(d.column, d.kind, append(d.values(), e.values()...))
}

// values returns the values of a set or a single one.
func (d *domain) values() []int64 {
	if d.set != nil {
		return slices.Clone(d.set)
	}
	return []int64{d.lo}
}

// narrow returns what is in both of two domains of one column; where that is hard
// to tell, the smaller of them.
func narrow(d, e domain) domain {
	if d.kind != e.kind || d.kind == null {
		return d
	}
	switch {
	case d.set != nil || d.single():
		return d
	case e.set != nil || e.single():
		return e
	}
	d.lo, d.hi = max(d.lo, e.lo), min(d.hi, e.hi)
	if d.lo > d.hi { // nothing can meet it; keep it sane
		d.hi = d.lo
	}
	return d
}

// disjoint tells whether no row can be in both of two predicates, whose domains
// are sorted by column.
func disjoint(a, b []domain) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].column < b[j].column:
			i++
		case a[i].column > b[j].column:
			j++
		default:
			if !a[i].meets(&b[j]) {
				return true
			}
			i++
			j++
		}
	}
	return false
}
