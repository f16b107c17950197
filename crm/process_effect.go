package crm

// Effect says where what an action does takes effect, and so how often it may be done.
type Effect uint8

// The classes of effects.
const (
	EffectInside     Effect = iota // in the database, by the transaction of its context
	EffectIdempotent               // outside; done again, nothing more comes of it
	EffectAtMostOnce               // outside; it must never be done twice
)

// String returns the class's name.
func (e Effect) String() string {
	return [...]string{"inside", "idempotent", "at most once"}[min(e, EffectAtMostOnce)]
}
