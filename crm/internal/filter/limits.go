package filter

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"

	"github.com/embedcrm/embedcrm/storage"
)

// Limits of the language. The condition an expression compiles to is also held to
// those of package storage, of which MaxNodes leaves room for the rights and scopes that
// are put beside it.
const (
	MaxText      = 4 << 10 // bytes of an expression
	MaxRelations = 10      // uses of any, all, none and count
	MaxNodes     = 200     // conditions
	MaxArgs      = 100     // arguments
)

// source is a text and its tokens.
type source struct {
	bytes  []int               // where in the text each character begins, and its end
	tokens []lexer.Token       // without the end
	at     map[int]lexer.Token // by the character they begin at
}

// scan splits a text into tokens and refuses what is no part of the language, so
// that the parser sees only small and shallow texts: it descends once for every
// bracket and sign, and its stack is the program's.
func scan(text string) (*source, error) {
	switch {
	case len(text) > MaxText:
		return nil, invalid(-1, "the text has %d bytes, and %d are allowed", len(text), MaxText)
	case !utf8.ValidString(text):
		return nil, invalid(-1, "the text is not valid UTF-8")
	case strings.TrimSpace(text) == "":
		return nil, invalid(-1, "the text is empty: write true for every record")
	}
	s := &source{at: map[int]lexer.Token{}}
	for i := range text {
		s.bytes = append(s.bytes, i)
	}
	s.bytes = append(s.bytes, len(text))
	tokens, err := lexer.Lex(file.NewSource(text))
	if err != nil {
		return nil, s.syntax(err)
	}
	for _, token := range tokens {
		if token.Kind != lexer.EOF {
			s.tokens = append(s.tokens, token)
			s.at[token.From] = token
		}
	}
	return s, s.check()
}

// pos returns the byte at which a character of the text begins.
func (s *source) pos(character int) int {
	return s.bytes[min(max(character, 0), len(s.bytes)-1)]
}

// check holds every token to the language, and brackets and signs to its depth.
func (s *source) check() error {
	depth, signs := 0, 0
	for i, token := range s.tokens {
		if reason := refused(token); reason != "" {
			return invalid(s.pos(token.From), "%s", reason)
		}
		switch token.Value {
		case "(", "[":
			if token.Value == "[" && i > 0 && endsOperand(s.tokens[i-1]) {
				return invalid(s.pos(token.From), "a list has no elements to take: write custom.name for a field of one's own")
			}
			depth++
		case ")", "]":
			depth--
		case "not", "!", "-":
			signs++
		}
		if token.Kind != lexer.Bracket && token.Kind != lexer.Operator {
			signs = 0
		}
		if depth+signs > storage.MaxDepth {
			return invalid(s.pos(token.From), "brackets and signs are nested deeper than %d", storage.MaxDepth)
		}
	}
	return nil
}

// endsOperand reports whether a bracket after the token would be an index.
func endsOperand(token lexer.Token) bool {
	return token.Kind == lexer.Identifier || token.Kind == lexer.String || token.Is(lexer.Bracket, ")", "]")
}

// refused says why a token is no part of the language, or "".
func refused(token lexer.Token) string {
	switch token.Kind {
	case lexer.Bytes:
		return "bytes are no part of the language: write a text without the b"
	case lexer.Number:
		if strings.ContainsFunc(token.Value, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
			return "a number is written with digits and a point, such as 1000 or 12.50"
		}
	case lexer.Identifier:
		if strings.Contains(token.Value, "$") && argumentNumber(token.Value) == 0 {
			return "an argument is written $1 to $100, and a name has no $ in it"
		}
	case lexer.Operator:
		return refusedSign(token.Value)
	case lexer.Bracket:
		if token.Value == "{" || token.Value == "}" {
			return "maps and blocks in braces are no part of the language: write the condition without them"
		}
	default:
	}
	return ""
}

func refusedSign(sign string) string {
	switch sign {
	case "and", "or", "not", "&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "in", "contains", "startsWith", ".", ",", "-":
		return ""
	case "=":
		return "= is no part of the language: write == to compare"
	case "+", "*", "/", "%", "^", "**":
		return sign + " is no part of the language, which does not calculate: give the result as an argument"
	case "?", ":":
		return "a choice by ? and : is no part of the language: write (a and b) or (not a and c)"
	case "??", "?.":
		return sign + " is no part of the language: an absent value compares as false, and x == nil tests for it"
	case ";", "let":
		return sign + " is no part of the language: an expression is one condition"
	case "if", "else":
		return sign + " is no part of the language: write (a and b) or (not a and c)"
	case "|":
		return "| is no part of the language: write or"
	case "..":
		return "ranges are no part of the language: write x >= 1 and x <= 9"
	case "matches":
		return "matches is no part of the language: write contains or startsWith"
	case "endsWith":
		return "endsWith is no part of the language: write contains or startsWith"
	case "#", "##":
		return "# is no part of the language: inside count(…) a field is written .name"
	case "::":
		return ":: is no part of the language: write the name alone"
	}
	return "the sign is no part of the language"
}

// syntax turns an error of the lexer or parser into ours, which shows no values.
func (s *source) syntax(err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		return invalid(-1, "the text cannot be read")
	}
	pos := s.pos(at.From)
	switch message := at.Message; {
	case strings.HasPrefix(message, "unexpected token"):
		return invalid(pos, "%s is not expected here", s.name(at.From))
	case strings.HasPrefix(message, "invalid integer"), strings.HasPrefix(message, "invalid float"):
		return invalid(pos, "the number is too large: give it as an argument")
	case strings.HasPrefix(message, "expected at least"):
		return invalid(pos, "any, all and none have a condition: write any(orders, .total > 100), or count(orders) > 0")
	case strings.HasPrefix(message, "unrecognized character"):
		return invalid(pos, "the character is no part of the language")
	case message == "literal not terminated":
		return invalid(pos, "the text in quotes does not end")
	case message == "unclosed comment":
		return invalid(pos, "the comment does not end")
	case message == "invalid char escape", strings.HasPrefix(message, "unable to unescape"):
		return invalid(pos, `the text in quotes has a backslash that begins no escape: write \\ for the character`)
	case strings.HasPrefix(message, "bad number"):
		return invalid(pos, "a number is written with digits and a point, such as 1000 or 12.50")
	case message == "expected name":
		return invalid(pos, "after the point comes a field's name")
	}
	return invalid(pos, "the text cannot be read from here")
}

// name says what token begins at a character.
func (s *source) name(character int) string {
	token, ok := s.at[character]
	switch {
	case !ok:
		return "the end"
	case token.Kind == lexer.String:
		return "a text in quotes"
	case token.Kind == lexer.Number:
		return "a number"
	}
	return token.Value
}
