package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Level is how far a right reaches: of which records, by their owners.
type Level uint8

// The levels, each with all that those before it have. A record without an owner is
// reached by LevelAll alone.
const (
	LevelNone    Level = iota // no record
	LevelOwn                  // those the member owns
	LevelTeam                 // those owned by members of his teams
	LevelSubtree              // those owned by members of his teams and of all teams below
	LevelAll                  // every record
)

//nolint:gochecknoglobals // a constant
var levelNames = [...]string{"none", "own", "team", "subtree", "all"}

// String returns the level's name: none, own, team, subtree or all.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// levelUnknown is a level of which this library does not know.
const levelUnknown Level = 255

// MarshalText returns what [Level.String] does. It never fails.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level's name. It never fails: any other text is a level that
// reaches nothing, and that no role is written with. So a role of a newer library
// can be read, and means less at worst.
func (l *Level) UnmarshalText(text []byte) error {
	*l = levelUnknown
	if i := slices.Index(levelNames[:], string(text)); i >= 0 {
		*l = Level(i)
	}
	return nil
}

// AnyKind and AnyVerb in a [Grant] stand for every kind of record and every verb,
// those of later versions too.
const (
	AnyKind      = "*"
	AnyVerb Verb = "*"
)

// Grant is a part of a role: the right to do a verb with records of a kind.
type Grant struct {
	Object string `json:"object"` // the kind's name, or AnyKind: also members, teams, roles
	Verb   Verb   `json:"verb"`   // or AnyVerb
	Level  Level  `json:"level"`
}

// Allow returns the grants of verbs on a kind at one level; without verbs all of
// them.
func Allow(object string, level Level, verbs ...Verb) []Grant {
	if len(verbs) == 0 {
		verbs = []Verb{AnyVerb}
	}
	grants := make([]Grant, len(verbs))
	for i, v := range verbs {
		grants[i] = Grant{object, v, level}
	}
	return grants
}

// FieldAccess is what a role takes away of a field.
type FieldAccess string

// What a role may take away.
const (
	// FieldHidden is a field that is not read, and so neither written nor named in
	// a filter, sort, group, search or export.
	FieldHidden FieldAccess = "hidden"
	// FieldMasked is a text that is shown in part, by [Mask], until it is revealed: see
	// [Collection.Reveal]. In all else it is as if hidden: it is neither written nor
	// named, and its history and exports are without it. Only texts are masked that may
	// be any, not one of a few that it would be known by its beginning, and custom ones
	// by their names.
	FieldMasked FieldAccess = "masked"
	// FieldReadOnly is a field that is read, and not written.
	FieldReadOnly FieldAccess = "readonly"
)

// FieldRule is a part of a role: what it takes away of a field of a kind. A field
// is taken away from a member only if every role that gives him the verb does so, and
// hidden only if all of these hide it: where one masks it, it is masked.
type FieldRule struct {
	Object string      `json:"object"`
	Field  string      `json:"field"` // its name; "custom.tier" of a custom field, "custom" of all of them
	Access FieldAccess `json:"access"`
}

// Role is what those who have it may do. A tenant without roles is open to all its
// actors; with its first one it is closed, and what no role grants is forbidden. To
// change a role, or who has which, takes the right to update every role.
type Role struct {
	Record

	Name        string      `crm:"required,max=100,unique,fold,sort" json:"name"`
	Description string      `crm:"max=2000"                          json:"description,omitempty"`
	Grants      []Grant     `crm:"json"                              json:"grants,omitempty"`
	Fields      []FieldRule `crm:"json"                              json:"fields,omitempty"`
}

// Roles are a tenant's roles. A role that a member or a team has is not deleted.
type Roles struct{ Collection[Role] }

const (
	maxRoles = 200 // of a tenant
	maxRules = 500 // grants, and field rules, of a role
)

// verbs are all there are, in the order of a permission.
//
//nolint:gochecknoglobals // a constant
var verbs = [...]Verb{VerbRead, VerbCreate, VerbUpdate, VerbDelete, VerbExport, VerbImport, VerbAssign, VerbShare}

func (c *Core) defineRoles() error {
	kind, err := Define(c, Object[Role]{Name: roleKind, BeforeWrite: c.checkRole, AfterWrite: c.unusedRole})
	if err != nil {
		return err
	}
	kind.o.rights = true
	c.Roles = &Roles{kind.Collection}
	return nil
}

// checkRole refuses a role that speaks of what there is not: a name that is spelled
// wrong would grant or hide nothing, and nobody would know. What the role said
// before may stay, since another process may know kinds that this one does not.
func (c *Core) checkRole(ctx context.Context, w *Write[Role]) error {
	var was Role
	if w.Before != nil {
		was = *w.Before
	}
	if len(w.After.Grants) == 0 {
		w.After.Grants = nil
	}
	if len(w.After.Fields) == 0 {
		w.After.Fields = nil
	}
	var faults []Fault
	if len(w.After.Grants) > maxRules || len(w.After.Fields) > maxRules {
		return Invalid("grants", "a role has at most %d grants and %d field rules", maxRules, maxRules)
	}
	for i, g := range w.After.Grants {
		if msg := c.grantFault(g); msg != "" && (g.Level > LevelAll || !slices.Contains(was.Grants, g)) {
			faults = append(faults, Fault{fmt.Sprintf("grants[%d]", i), msg})
		}
	}
	for i, f := range w.After.Fields {
		msg, err := c.ruleFault(ctx, f)
		if err != nil {
			return err
		}
		if msg != "" && !slices.Contains(was.Fields, f) {
			faults = append(faults, Fault{fmt.Sprintf("fields[%d]", i), msg})
		}
	}
	if len(faults) > 0 {
		return &InvalidError{Faults: faults}
	}
	return nil
}

func (c *Core) grantFault(g Grant) string {
	switch {
	case g.Object != AnyKind && c.kind(g.Object) == nil:
		return fmt.Sprintf("there is no kind %q", g.Object)
	case g.Verb != AnyVerb && !slices.Contains(verbs[:], g.Verb):
		return fmt.Sprintf("there is no verb %q", g.Verb)
	case g.Level > LevelAll:
		return "the level is one of " + strings.Join(levelNames[:], ", ")
	}
	return ""
}

func (c *Core) ruleFault(ctx context.Context, f FieldRule) (string, error) {
	o := c.kind(f.Object)
	switch {
	case o == nil:
		return fmt.Sprintf("there is no kind %q", f.Object), nil
	case !slices.Contains([]FieldAccess{FieldHidden, FieldMasked, FieldReadOnly}, f.Access):
		return fmt.Sprintf("a field is made %s, %s or %s, not %q", FieldHidden, FieldMasked, FieldReadOnly, f.Access), nil
	}
	if msg := o.closable(f.Field); msg != "" || f.Access != FieldMasked {
		return msg, nil
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return "", err
	}
	own, err := c.fieldsOf(ctx, sc.Tenant, o)
	return o.maskable(own, f.Field), err
}

// maskable says why a field that can be taken away cannot be shown in part, or nothing.
func (o *object) maskable(own *fieldSet, name string) string {
	var text, one bool
	if custom, ok := strings.CutPrefix(name, "custom."); ok {
		f := own.named(custom)
		if f == nil {
			return fmt.Sprintf("there is no field %s: one that is masked has to be there, and a text", name)
		}
		text = slices.Contains(maskedTypes[:], f.Type)
		one = f.chosen()
	} else {
		f := o.byName[name]
		text, one = f.typ == TypeText, len(f.enum) > 0
	}
	switch {
	case name == "custom":
		return "custom fields are of many types: mask each that is a text by its name, as custom.tier"
	case one:
		return name + " is one of few texts, which is known by its beginning: hide it"
	case !text:
		return name + " is no text, of which a part could be shown: hide it"
	}
	return ""
}

// maskedTypes are the types of custom fields that can be shown in part.
//
//nolint:gochecknoglobals // a constant
var maskedTypes = [...]FieldType{FieldText, FieldLongText, FieldEmail, FieldPhone, FieldURL}

// closable says why a field cannot be taken from anyone, or nothing.
func (o *object) closable(name string) string {
	if custom, ok := strings.CutPrefix(name, "custom."); ok && custom != "" {
		return "" // which ones there are is the tenant's own, and changes
	}
	switch f := o.byName[name]; {
	case f == nil:
		return fmt.Sprintf("%s has no field %q", o.name, name)
	case f.kernel && name != "owner_id" && name != "refs" && name != "custom":
		return name + " is the kernel's own, which writes it alone and shows it to everyone"
	}
	return ""
}

// unusedRole refuses that a role goes while somebody has it.
func (c *Core) unusedRole(ctx context.Context, w *Write[Role]) error {
	if w.Verb != VerbDelete {
		return nil
	}
	for _, o := range []*object{c.Members.o, c.Teams.o} {
		if err := c.unlisted(ctx, w.Before.ID, o, "role_ids", w.After == nil); err != nil {
			return err
		}
	}
	return nil
}
