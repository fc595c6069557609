package store

// Sealed carries a Store in a public type, whose users do not see it: the contract may change with each version. Embed it
// under an unexported name.
type Sealed struct{ store Store }

// Seal returns a Sealed that carries s.
func Seal(s Store) Sealed { return Sealed{s} }

func (s Sealed) unseal() Store { return s.store }

// Of returns the Store that a value carries, or is.
func Of(v any) (Store, bool) {
	if carrier, ok := v.(interface{ unseal() Store }); ok {
		return carrier.unseal(), true
	}
	s, ok := v.(Store)
	return s, ok
}
