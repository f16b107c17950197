package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// Severity is what a rule does when it fires.
type Severity string

// The severities.
const (
	Refuse Severity = "refuse" // the change is ErrInvalid with the rule's message
	Warn   Severity = "warn"   // the change is made, and those hear of it who listen by WithWarnings
)

// Rule is a rule of a tenant's own for a kind of record. It fires when its condition
// holds for a record that is created or changed, and says what is wrong with it.
type Rule struct {
	Record

	// Object is the kind of record it is for. It never changes.
	Object string `crm:"required,max=48" json:"object"`
	// Name is how the tenant calls it.
	Name string `crm:"required,max=200" json:"name"`
	// When is the condition of what must not be, in the language of
	// docs/expressions.md, about the record's own fields: "stage == 'won' and
	// custom.contract == nil". It sees the record as it would be kept.
	When string `crm:"required,max=4000" json:"when"`
	// Severity is what happens then; empty is Refuse.
	Severity Severity `crm:"enum=refuse|warn" json:"severity,omitempty"`
	// Messages say what is wrong and what to do, by language.
	Messages map[string]string `crm:"json" json:"messages,omitempty"`
	// Field is the field the message is shown at: "amount", "custom.tier". Empty is
	// the record as a whole.
	Field string `crm:"max=50" json:"field,omitempty"`
	// Off says that it rests.
	Off bool `json:"off,omitempty"`
}

// Message returns the message for a language, chosen as [CustomField.Label] does,
// else Name.
func (r *Rule) Message(lang string) string { return inLanguage(r.Messages, lang, r.Name) }

// Validate is what a rule is held against by itself.
func (r *Rule) Validate() error {
	var all faults
	checkTexts(&all, "messages", r.Messages)
	return all.err()
}

// rule is a rule made ready for use.
type rule struct {
	Rule

	parsed *filter.Expr
	steady storage.Expr // the condition, when it is the same at any moment
	err    error
}

func (r *rule) parse(s *fieldSet) {
	r.parsed, r.steady, r.err = s.compileOwn(r.When, false)
}

// fires reports whether the rule's condition holds for a record.
func (r *rule) fires(s *fieldSet, w *writer, rec *rec) (bool, error) {
	x := r.steady
	if r.err == nil && x == nil {
		var err error
		if x, err = r.parsed.Compile(s.own(false), nil, momentOf(w.now, s.zone, w.access.me)); err != nil {
			return false, err
		}
	}
	if r.err != nil {
		return false, r.err
	}
	return storage.Match(x, ownRow{rec}), nil
}

// customRules are the tenant's own rules. A rule that no longer can be understood,
// because the program's kinds of records changed, refuses what it would have judged.
func (c *Core) customRules(ctx context.Context, w *writer, ch *change) []Fault {
	if w.custom == nil || ch.before != nil && (ch.event == "restored" || len(ch.cols) == 0 && !ch.forced) {
		return nil
	}
	var found []Fault
	for _, r := range w.custom.rules {
		if r.Off {
			continue
		}
		fires, err := r.fires(w.custom, w, ch.after)
		fault := Fault{r.Field, r.Message(languageOf(ctx))}
		switch {
		case err != nil:
			fault = Fault{r.Field, fmt.Sprintf("the rule %q cannot be understood: change it or switch it off: %v", r.Name, expressionFault(err))}
		case !fires:
			continue
		}
		if r.Severity == Warn {
			w.warnings = append(w.warnings, Warning{w.name, ch.after.meta().ID, r.ID, fault})
			continue
		}
		found = append(found, fault)
	}
	return found
}

// Warning is what a rule of severity [Warn] said of a record.
type Warning struct {
	Object string // the kind of record
	Record ID
	RuleID ID
	Fault  Fault
}

// Warnings collects what rules of severity [Warn] say. The zero value is ready, and
// safe for any number of goroutines.
type Warnings struct {
	mu   sync.Mutex
	list []Warning
}

// All returns what was said, in order: of a record the latest of each rule. A call
// that writes nothing says nothing; one whose transaction is rolled back later may
// have.
func (w *Warnings) All() []Warning {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// replace takes what was said of records in place of what was said of them before.
func (w *Warnings) replace(object string, ids map[ID]bool, said []Warning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = slices.DeleteFunc(w.list, func(x Warning) bool { return x.Object == object && ids[x.Record] })
	w.list = append(w.list, said...)
}

type warningsKey struct{}

// WithWarnings returns a context in which the warnings about what calls write are
// added to into.
func WithWarnings(ctx context.Context, into *Warnings) context.Context {
	return context.WithValue(ctx, warningsKey{}, into)
}

// warn hands over what rules said of changes that were written.
func (w *writer) warn(ctx context.Context, changes []*change) {
	into, _ := ctx.Value(warningsKey{}).(*Warnings)
	if into == nil {
		return
	}
	ids := map[ID]bool{}
	for _, c := range changes {
		ids[c.either().meta().ID] = true
	}
	var said []Warning
	for _, x := range w.warnings {
		if ids[x.Record] {
			said = append(said, x)
		}
	}
	into.replace(w.name, ids, said)
}

type languageKey struct{}

// InLanguage returns a context in which what the tenant wrote in several languages,
// the messages of rules, is in lang: "zh-CN".
func InLanguage(ctx context.Context, lang string) context.Context {
	return context.WithValue(ctx, languageKey{}, lang)
}

func languageOf(ctx context.Context) string {
	lang, _ := ctx.Value(languageKey{}).(string)
	return lang
}

// defineRules makes rules a kind of record.
func (c *Core) defineRules() error {
	k, err := Define(c, Object[Rule]{Name: "rule", BeforeWrite: c.beforeRule, AfterWrite: c.afterRule})
	if err != nil {
		return err
	}
	k.o.rights = true
	c.Rules = &k.Collection
	return nil
}

func (c *Core) beforeRule(_ context.Context, w *Write[Rule]) error {
	r := w.After
	r.Messages = texts(r.Messages)
	r.Object, r.Field = strings.TrimSpace(r.Object), strings.TrimSpace(r.Field)
	if r.Severity == "" {
		r.Severity = Refuse
	}
	if w.Before != nil && r.Object != w.Before.Object {
		return Invalid("object", "never changes: define another rule")
	}
	return c.customisable(r.Object)
}

// afterRule holds a rule against what its object has, once it is written.
func (c *Core) afterRule(ctx context.Context, w *Write[Rule]) error {
	if w.After == nil || !w.After.Deleted.IsZero() {
		return nil
	}
	s, err := c.freshFields(ctx, w.After.Object)
	if err != nil || s == nil {
		return err
	}
	if n := len(s.rules); n > MaxRules {
		return Invalid("object", "%s would have %d rules, and %d are allowed", s.o.name, n, MaxRules)
	}
	for _, r := range s.rules {
		if r.ID == w.After.ID && r.err != nil {
			return Invalid("when", "%s (a rule is about the record's own fields)", expressionFault(r.err))
		}
	}
	if name := w.After.Field; name != "" && s.o.byName[name] == nil && s.named(strings.TrimPrefix(name, "custom.")) == nil {
		return Invalid("field", "%s has no field %s", s.o.name, name)
	}
	return nil
}

// freshFields reads what an object has by now, in the transaction of ctx.
func (c *Core) freshFields(ctx context.Context, object string) (*fieldSet, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.definitions(ctx, sc.Tenant)
	return all[object], err
}

// customisable refuses an object that can have no custom fields or rules.
func (c *Core) customisable(object string) error {
	o := c.objects[object]
	switch o {
	case nil:
		return Invalid("object", "there is no kind of record %q", clip(object))
	case c.Fields.kind.o, c.Rules.o:
		return Invalid("object", "what describes records has no fields and rules of its own")
	}
	return nil
}
