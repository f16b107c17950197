package quality

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// MaxInspected is how many records one call of [Quality.Inspect] looks at.
const MaxInspected = 1000

// Inspect says for each of some records of a kind what rules it violates, the worst first:
// a rule's message, or its name, and its cure. A record that violates none, or that the actor
// may not read, is not in it; rules over fields he may not read are passed over. It is what Options.Inspect of package transfer asks for, so that
// an import, and its dry run, tell which rows break the rules.
func (q *Quality) Inspect(ctx context.Context, object string, ids []crm.ID) (map[crm.ID][]string, error) {
	found, err := q.inspect(ctx, object, ids)
	return found, failed("inspect", object, crm.ID{}, err)
}

func (q *Quality) inspect(ctx context.Context, object string, ids []crm.ID) (map[crm.ID][]string, error) {
	if len(ids) > MaxInspected {
		return nil, crm.Invalid("ids", "are %d, and %d are allowed", len(ids), MaxInspected)
	}
	s, err := q.scorer(ctx, object)
	if err != nil || len(ids) == 0 || len(s.rules) == 0 {
		return nil, err
	}
	secret, err := q.secret(ctx, s.records, s.rules) // they would tell what fields hold that he may not read
	if err != nil {
		return nil, err
	}
	s.rules = slices.DeleteFunc(s.rules, func(r Rule) bool { return secret[r.ID] })
	violated, err := s.violating(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[crm.ID][]string, len(violated))
	for id, rules := range violated {
		for _, r := range rules {
			found[id] = append(found[id], r.said())
		}
	}
	return found, nil
}

// said is what a rule says of a record that violates it.
func (r *Rule) said() string {
	text := cmp.Or(r.Message, r.Name)
	if r.Field != "" {
		text = r.Field + ": " + text
	}
	if r.Cure != "" {
		text = strings.TrimSuffix(text, ".") + ". " + r.Cure
	}
	return text
}
