package customers

// SetSpan sets how many customers one transaction of an evaluation looks at.
func (s *Segments) SetSpan(n int) { s.span = n }
