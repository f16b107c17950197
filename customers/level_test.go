package customers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

func byValue() customers.LevelScheme {
	return customers.LevelScheme{Key: "value", Name: "Value", Grades: []customers.Grade{
		{Name: "A", When: "employees >= 1000 // of the large"},
		{Name: "B", When: "employees >= 10 or 'vip' in tags"},
		{Name: "C"},
	}}
}

func (d *desk) grades(ctx context.Context, t *testing.T, scheme string) map[string]string {
	t.Helper()
	grades := map[string]string{}
	for l, err := range d.Levels.All(ctx, crm.Where("scheme.key == $1", scheme)) {
		require.NoError(t, err)
		c, err := d.Get(ctx, l.CustomerID)
		require.NoError(t, err)
		grades[c.Name] = l.Grade
	}
	return grades
}

func TestLevelsFollowTheirConditions(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		for name, size := range map[string]int64{"Acme": 5000, "Bluth": 20, "Codehow": 3} {
			_, err := d.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: name, Employees: &size})
			require.NoError(t, err)
		}
		_, err := d.Levels.Schemes.Create(ctx, byValue())
		require.NoError(t, err)
		_, err = d.Levels.Schemes.Create(ctx, customers.LevelScheme{Key: "age", Name: "Age", Grades: []customers.Grade{
			{Name: "old", When: "created < ago('30d')"},
		}})
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()), "soon after a scheme changed")
		require.Equal(t, map[string]string{"Acme": "A", "Bluth": "B", "Codehow": "C"}, d.grades(ctx, t, "value"))
		require.Empty(t, d.grades(ctx, t, "age"))
		n, err := d.Count(ctx, crm.Where("any(levels, .scheme.key == 'value' and .grade == 'A')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		changed, err := d.Levels.Evaluate(ctx, "value")
		require.NoError(t, err)
		require.Zero(t, changed, "what is right is not written again")

		page, err := d.List(ctx, crm.Where("name == 'Codehow'"))
		require.NoError(t, err)
		codehow := page.Items[0].ID
		_, err = d.Update(ctx, codehow, func(c *customers.Customer) error { c.Tags = []string{"vip"}; return nil })
		require.NoError(t, err)
		levels, err := d.Levels.EvaluateCustomer(ctx, codehow)
		require.NoError(t, err)
		require.Len(t, levels, 1)
		require.Equal(t, "B", levels[0].Grade)
		history, err := d.Levels.History(ctx, levels[0].ID)
		require.NoError(t, err)
		require.Equal(t, "level.changed", history.Items[0].Name)

		d.Clock.Advance(31 * 24 * time.Hour)
		require.NoError(t, d.RunDue(t.Context()), "when only time passed")
		require.Len(t, d.grades(ctx, t, "age"), 3)

		_, err = d.Levels.Schemes.Update(ctx, levels[0].SchemeID, func(s *customers.LevelScheme) error {
			s.Grades = s.Grades[:1]
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		require.Equal(t, map[string]string{"Acme": "A"}, d.grades(ctx, t, "value"), "who has no grade has no level")

		require.NoError(t, d.Levels.Drop(ctx, "value"))
		require.Empty(t, d.grades(ctx, t, "value"))
		require.Len(t, d.grades(ctx, t, "age"), 3)
		_, err = d.Levels.Evaluate(ctx, "value")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestWhatASchemeCannotBe(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		for says, change := range map[string]func(*customers.LevelScheme){
			"is no key":        func(s *customers.LevelScheme) { s.Key = "By Value" },
			"there twice":      func(s *customers.LevelScheme) { s.Grades[1].Name = "A" },
			"has no condition": func(s *customers.LevelScheme) { s.Grades[0].When = "" },
			"give 1 to 10":     func(s *customers.LevelScheme) { s.Grades = make([]customers.Grade, 11) },
			`grade "A"`:        func(s *customers.LevelScheme) { s.Grades[0].When = "turnover > 1" },
			`grade "B"`:        func(s *customers.LevelScheme) { s.Grades[1].When = "employees >" },
		} {
			scheme := byValue()
			change(&scheme)
			_, err := d.Levels.Schemes.Create(ctx, scheme)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		s, err := d.Levels.Schemes.Create(ctx, byValue())
		require.NoError(t, err)
		ada := d.person(ctx, t, "Ada", "")
		d.role(t, "dana", crm.Allow("customer", crm.LevelAll, crm.VerbRead, crm.VerbUpdate))
		_, err = d.Levels.Create(ctx, customers.Level{CustomerID: ada.ID, SchemeID: s.ID, Grade: "A", Since: time.Unix(0, 0), Key: "x"})
		require.Error(t, err, "nobody grades by hand")
	})
}

// TestLevelsOfMany has more customers than one step writes.
func TestLevelsOfMany(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		list := make([]customers.Customer, 1100)
		for i := range list {
			size := int64(i)
			list[i] = customers.Customer{Kind: customers.Organisation, Name: fmt.Sprintf("Company %d", i), Employees: &size}
		}
		_, err := d.CreateAll(ctx, list)
		require.NoError(t, err)
		_, err = d.Levels.Schemes.Create(ctx, byValue())
		require.NoError(t, err)
		n, err := d.Levels.Evaluate(ctx, "value")
		require.NoError(t, err)
		require.EqualValues(t, 1100, n)
		for grade, want := range map[string]int64{"A": 100, "B": 990, "C": 10} {
			n, err := d.Levels.Count(ctx, crm.Where("grade == $1", grade))
			require.NoError(t, err)
			require.Equal(t, want, n, grade)
		}
	})
}
