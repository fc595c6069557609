// Package lockstep walks through two sorted lists at the same time, in constant
// memory, and pairs the records that have the same key.
package lockstep

import (
	"fmt"
	"iter"
)

// Pair is what the two lists have under one key.
type Pair[T any] struct {
	Key  string
	Want *T // the record of the first list; nil when it has none
	Got  *T // the record of the second list; nil when it has none
}

// Pairs yields a pair for each key that occurs in the lists, in the order of the
// keys. Both lists must be sorted by key, and have each key once: what is not is
// an error. The first error of a list ends the walk, and is yielded last.
//
// Breaking out of the loop ends both lists.
func Pairs[T any](want, got iter.Seq2[T, error], key func(T) string) iter.Seq2[Pair[T], error] {
	return func(yield func(Pair[T], error) bool) {
		left, right := newList("first", want, key), newList("second", got, key)
		defer left.stop()
		defer right.stop()
		for {
			a, err := left.head()
			if err == nil {
				var b *T
				if b, err = right.head(); err == nil {
					pair, ok := match(left, right, a, b)
					if !ok || !yield(pair, nil) {
						return
					}
					continue
				}
			}
			yield(Pair[T]{}, err)
			return
		}
	}
}

// match takes the head with the lesser key, or both when they have the same.
func match[T any](left, right *list[T], a, b *T) (Pair[T], bool) {
	switch {
	case a == nil && b == nil:
		return Pair[T]{}, false
	case b == nil, a != nil && left.last < right.last:
		left.held = nil
		return Pair[T]{Key: left.last, Want: a}, true
	case a == nil, right.last < left.last:
		right.held = nil
		return Pair[T]{Key: right.last, Got: b}, true
	}
	left.held, right.held = nil, nil
	return Pair[T]{Key: left.last, Want: a, Got: b}, true
}

// list is one of the two lists.
type list[T any] struct {
	name  string
	key   func(T) string
	next  func() (T, error, bool)
	stop  func()
	begun bool
	held  *T     // the record that was read and not taken
	last  string // its key
}

func newList[T any](name string, items iter.Seq2[T, error], key func(T) string) *list[T] {
	l := &list[T]{name: name, key: key}
	l.next, l.stop = iter.Pull2(items)
	return l
}

// head returns the next record that was not taken, nil at the end.
func (l *list[T]) head() (*T, error) {
	if l.held != nil {
		return l.held, nil
	}
	item, err, ok := l.next()
	if err != nil || !ok {
		return nil, err
	}
	key := l.key(item)
	if l.begun && key <= l.last {
		return nil, fmt.Errorf("lockstep: the %s list is not sorted: %q comes after %q", l.name, key, l.last)
	}
	l.begun, l.held, l.last = true, &item, key
	return l.held, nil
}
