package storage

// MaxBranches is the most branches of a [Union].
const MaxBranches = 50

// Union asks for the first rows of several tables together, as a list of what
// happened needs them, where each kind of thing has a table of its own. Every branch
// ends with Limit rows, so that an index on (tenant, the fields its Where fixes, the
// fields it is sorted by) makes the whole cost what its branches' first rows do.
type Union struct {
	// Kinds are the kinds of the values of a row. In a Row value i has the index i,
	// and at len(Kinds) follows, as an Int, the index of the branch it is from.
	Kinds []Kind
	// Branches are where the rows come from, 1 to MaxBranches.
	Branches []Branch
	// Sorted is how many of the values, the first ones, the rows are sorted by. What
	// they leave equal comes in the order of the branches, and rows of one branch in
	// none that is said: the key as the last of them makes it total.
	Sorted int
	// Desc sorts downward.
	Desc bool
	// Limit is the most rows to return, 1 to MaxPage.
	Limit int
}

// Branch is the rows of one table in a [Union].
type Branch struct {
	Table *Table
	// Where is the condition; nil is every row of the tenant.
	Where Expr
	// Fields are the values of its rows, of the union's Kinds. One without a Name is
	// absent. Rows in which one that sorts is absent are left out.
	Fields []Field
	// After, when not nil, is the position behind which to begin: values of the fields
	// that sort.
	After []any
}

// Check reports what is wrong with a union as [ErrInvalid].
func (u *Union) Check() error {
	switch {
	case len(u.Branches) < 1 || len(u.Branches) > MaxBranches:
		return Invalid("", "", "a union has 1 to %d branches, not %d", MaxBranches, len(u.Branches))
	case u.Limit < 1 || u.Limit > MaxPage:
		return Invalid("", "", "a union asks for 1 to %d rows, not %d", MaxPage, u.Limit)
	case u.Sorted < 1 || u.Sorted > MaxOrder || u.Sorted > len(u.Kinds):
		return Invalid("", "", "a union is sorted by 1 to %d of its values, not %d", MaxOrder, u.Sorted)
	case len(u.Kinds) > MaxColumns:
		return Invalid("", "", "a union has at most %d values, not %d", MaxColumns, len(u.Kinds))
	}
	for _, k := range u.Kinds {
		if k < Bool || k > JSON {
			return Invalid("", "", "a union has a value of %s, which is no kind", k)
		}
	}
	for i := range u.Branches {
		if err := u.Branches[i].check(u); err != nil {
			return err
		}
	}
	return nil
}

func (br *Branch) check(u *Union) error {
	if br.Table == nil {
		return Invalid("", "", "a branch of a union has a table")
	}
	t := br.Table
	if err := t.Check(); err != nil {
		return err
	}
	if err := CheckExpr(t, br.Where); err != nil {
		return err
	}
	if len(br.Fields) != len(u.Kinds) {
		return Invalid(t.Name, "", "the branch has %d fields for %d values", len(br.Fields), len(u.Kinds))
	}
	for i, f := range br.Fields {
		if f.Name == "" {
			if i < u.Sorted {
				return Invalid(t.Name, "", "value %d sorts, and the branch has none", i)
			}
			continue
		}
		k, err := f.kindOf(t)
		switch {
		case err != nil:
			return err
		case k != u.Kinds[i]:
			return Invalid(t.Name, f.Name, "holds %s, and the union's value is %s", k, u.Kinds[i])
		case i < u.Sorted && (k == JSON || k == Bool):
			return Invalid(t.Name, f.Name, "%s has no order", k)
		}
	}
	if br.After == nil {
		return nil
	}
	if len(br.After) != u.Sorted {
		return Invalid(t.Name, "", "the position has %d values for an order of %d", len(br.After), u.Sorted)
	}
	for i, v := range br.After {
		if msg := fault(u.Kinds[i], v); msg != "" {
			return Invalid(t.Name, br.Fields[i].Name, "value %d of the position %s", i, msg)
		}
	}
	return nil
}
