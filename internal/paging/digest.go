package paging

import (
	"hash/maphash"
	"math"
	"reflect"
)

const (
	// digestDepth is how many levels of an item a digest includes.
	digestDepth = 10
	// digestParts is how many parts of an item a digest includes.
	digestParts = 500
)

// digest computes fingerprints of pages from the content of their items. It keeps no content.
type digest struct {
	seed  maphash.Seed
	parts int // that may still be included of this item
}

// print is the fingerprint of a page.
type print struct {
	sum   uint64
	items int
	// telling: no two items of the page are equal, as with records. Then a repeated print means a repeated page.
	telling bool
}

// page returns the print of n items with these sums.
func (d *digest) page(n int, sum func(i int) (_ uint64, empty bool)) print {
	p := print{items: n, telling: n > 0}
	seen := make(map[uint64]struct{}, n)
	for i := range n {
		s, empty := sum(i)
		if _, twice := seen[s]; twice || empty {
			p.telling = false
		}
		seen[s] = struct{}{}
		p.sum = mix(p.sum, s)
	}
	return p
}

// byKeys returns the print of a page by the keys of its items.
func (d *digest) byKeys(keys []string) print {
	return d.page(len(keys), func(i int) (uint64, bool) { return maphash.String(d.seed, keys[i]), keys[i] == "" })
}

// byContent returns the print of a page by the content of its items.
func byContent[T any](d *digest, items []T) print {
	return d.page(len(items), func(i int) (uint64, bool) {
		v := reflect.ValueOf(&items[i]).Elem()
		d.parts = digestParts
		return d.of(v, digestDepth), v.IsZero()
	})
}

// of returns a sum of a value's content. Equal values have equal sums.
func (d *digest) of(v reflect.Value, depth int) uint64 {
	if d.parts--; d.parts < 0 || depth == 0 {
		return 1
	}
	switch v.Kind() {
	case reflect.String:
		return maphash.String(d.seed, v.String())
	case reflect.Bool:
		if v.Bool() {
			return 2
		}
		return 3
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return mix(4, uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return mix(5, v.Uint())
	case reflect.Float32, reflect.Float64:
		return mix(6, math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		return mix(math.Float64bits(real(v.Complex())), math.Float64bits(imag(v.Complex())))
	case reflect.Pointer, reflect.Interface:
		return d.inside(v, depth)
	case reflect.Struct:
		sum := uint64(7)
		for _, field := range v.Fields() {
			sum = mix(sum, d.of(field, depth-1))
		}
		return sum
	case reflect.Slice, reflect.Array:
		return d.list(v, depth)
	case reflect.Map:
		sum := uint64(8) // independent of the order
		for entries := v.MapRange(); entries.Next(); {
			sum += mix(d.of(entries.Key(), depth-1), d.of(entries.Value(), depth-1))
		}
		return sum
	}
	return 9 // a function or a channel
}

// inside returns the sum behind a pointer or an interface. Time zones and types of package sync do not count as content.
func (d *digest) inside(v reflect.Value, depth int) uint64 {
	if v.IsNil() {
		return 10
	}
	to := v.Elem()
	switch t := to.Type(); t.PkgPath() {
	case "sync", "sync/atomic":
		return 11
	case "time":
		if t.Name() == "Location" {
			return 11
		}
	}
	return mix(12, d.of(to, depth-1))
}

func (d *digest) list(v reflect.Value, depth int) uint64 {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return maphash.Bytes(d.seed, v.Bytes())
	}
	sum := uint64(13)
	for i := range v.Len() {
		if d.parts <= 0 {
			break
		}
		sum = mix(sum, d.of(v.Index(i), depth-1))
	}
	return mix(sum, uint64(v.Len()))
}

// mix combines two sums, in this order.
func mix(a, b uint64) uint64 {
	a ^= b + 0x9e3779b97f4a7c15 + a<<6 + a>>2
	a ^= a >> 33
	a *= 0xff51afd7ed558ccd
	return a ^ a>>33
}
