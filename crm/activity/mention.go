package activity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/embedcrm/embedcrm/crm"
)

// Mention says that a note or a comment names a member. It is made with the text, and
// goes with it: the event mention.created is what a host tells the member of.
type Mention struct {
	crm.Record

	// Object and RecordID are the record on which the text hangs.
	Object   string `crm:"required,max=48,guarded"              json:"object"`
	RecordID crm.ID `crm:"required,subject=object,open,guarded" json:"record_id"`
	// MemberID is the member who is named.
	MemberID crm.ID `crm:"required,guarded" json:"member_id"`
	// Source and SourceID are the text that names him: a note or a comment.
	Source   string `crm:"required,enum=note|comment,guarded" json:"source"`
	SourceID crm.ID `crm:"required,guarded"                   json:"source_id"`
}

// Mentions are where members are named: those of one are found by
// crm.Where("member_id == me()").
type Mentions struct{ crm.Collection[Mention] }

// maxMentions is how many members one text names; it may name others, who are not told.
const maxMentions = 50

func (a *Activity) defineMentions() error {
	kind, err := crm.Define(a.core, crm.Object[Mention]{Name: "mention"})
	if err == nil {
		a.Mentions = &Mentions{kind.Collection}
	}
	return err
}

// said is a text on a record.
type said struct {
	object string
	record crm.ID
	text   string
}

// mention makes the mentions of a text those of the members it names.
func (a *Activity) mention(ctx context.Context, was, is said, m Mention) error {
	before, now := keysIn(was.text), keysIn(is.text)
	if slices.Equal(before, now) && (was.record == is.record || len(now) == 0) {
		return nil
	}
	wanted := map[crm.ID]bool{}
	for _, key := range now {
		member, err := a.core.Members.ByKey(crm.SystemIn(ctx), key)
		switch {
		case errors.Is(err, crm.ErrNotFound): // an address, a handle elsewhere, a word
		case err != nil:
			return err
		default:
			wanted[member.ID] = true
		}
	}
	for old, err := range a.mentionsIn(ctx, m.Source, m.SourceID) {
		if err != nil {
			return err
		}
		if wanted[old.MemberID] && old.RecordID == is.record {
			delete(wanted, old.MemberID)
		} else if err := a.Mentions.Purge(ctx, old.ID); err != nil {
			return err
		}
	}
	made := make([]Mention, 0, len(wanted))
	for id := range wanted {
		m.Object, m.RecordID, m.MemberID = is.object, is.record, id
		made = append(made, m)
	}
	slices.SortFunc(made, func(a, b Mention) int { return a.MemberID.Compare(b.MemberID) })
	_, err := a.Mentions.CreateAll(ctx, made)
	return err
}

// unmention removes the mentions of a text that goes.
func (a *Activity) unmention(ctx context.Context, where string, id crm.ID) error {
	for m, err := range a.mentionsIn(ctx, where, id) {
		if err == nil {
			err = a.Mentions.Purge(ctx, m.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Activity) mentionsIn(ctx context.Context, where string, id crm.ID) func(func(Mention, error) bool) {
	return a.Mentions.All(ctx, crm.OrderBy("id"), crm.Where("source == $1 and source_id == $2", where, id))
}

// keysIn returns what a text names as @key or @{key}, sorted, each once. A key ends
// before a space, and without the punctuation behind it.
func keysIn(text string) (keys []string) {
	for len(keys) < maxMentions {
		i := strings.IndexByte(text, '@')
		if i < 0 {
			break
		}
		inWord := i > 0 && text[i-1] != ' ' && !strings.ContainsRune("([\"'\n\t,;:", rune(text[i-1])) && text[i-1] < 0x80
		text = text[i+1:]
		if inWord { // the middle of an e-mail address
			continue
		}
		var key string
		if rest, ok := strings.CutPrefix(text, "{"); ok {
			key, _, ok = strings.Cut(rest, "}")
			if !ok || len(key) > maxKey {
				continue
			}
		} else {
			end := strings.IndexFunc(text, unicode.IsSpace)
			if end < 0 {
				end = len(text)
			}
			key = strings.TrimRight(text[:min(end, maxKey)], ".,;:!?)]}\"'…。，！？、；：）")
		}
		if key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// maxKey is how many bytes of a text are looked at for a member's key.
const maxKey = 200
