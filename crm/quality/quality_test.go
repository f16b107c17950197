package quality_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

const day = 24 * time.Hour

func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store)
		crmtest.RequireSchema(t, d.Core.Core, e.DB, e.Name)
	})
}

func TestViolationsAreThoseOneMayRead(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.role(t, "own", crm.Allow("contact", crm.LevelOwn, crm.VerbRead), crm.FieldRule{Object: "contact", Field: "email", Access: crm.FieldHidden})
		d.role(t, "dana", append(crm.Allow("*", crm.LevelAll, crm.AnyVerb), crm.Allow("contact", crm.LevelAll, crm.AnyVerb)...))
		d.role(t, "rules", crm.Allow("quality_rule", crm.LevelAll, crm.VerbRead))
		own, err := d.Members.ByKey(crm.System(t.Context(), "acme"), "own")
		require.NoError(t, err)
		mine := d.contact(ctx, t, contact{Record: crm.Record{OwnerID: own.ID}, Name: "Ada"})
		other := d.contact(ctx, t, contact{Name: "Bob"})
		d.contact(ctx, t, contact{Name: "Cy", Country: "DE", Email: "cy@example.com"})
		country := d.rule(ctx, t, quality.Rule{Name: "Country", When: "country == nil", Severity: quality.Warn, Cure: "Ask."})
		mail := d.rule(ctx, t, quality.Rule{Name: "Mail", When: "email == nil", Severity: quality.Error})

		page, err := d.Violations(ctx, country.ID, crm.OrderBy("name"), crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, mine.ID, page.Items[0].ID())
		page, err = d.Violations(ctx, country.ID, crm.OrderBy("name"), crm.Limit(1), crm.After(page.Next))
		require.NoError(t, err)
		require.Equal(t, other.ID, page.Items[0].ID())
		require.Empty(t, page.Next)
		counts, err := d.Overview(ctx, "contact")
		require.NoError(t, err)
		require.Equal(t, []quality.RuleCount{{Rule: mail, Count: 2}, {Rule: country, Count: 2}}, counts, "the worst first")

		both, err := d.Roles.List(crm.System(t.Context(), "acme"), crm.Where("name in ['Role of own', 'Role of rules']"))
		require.NoError(t, err)
		_, err = d.Members.Update(crm.System(t.Context(), "acme"), own.ID, func(m *crm.Member) error {
			m.RoleIDs = []crm.ID{both.Items[0].ID, both.Items[1].ID}
			return nil
		})
		require.NoError(t, err)
		owner := as(t, "own")
		page, err = d.Violations(owner, country.ID)
		require.NoError(t, err)
		require.Len(t, page.Items, 1, "of those he may read")
		_, err = d.Violations(owner, mail.ID)
		require.ErrorIs(t, err, crm.ErrForbidden, "a rule must not tell what a field holds")
		counts, err = d.Overview(owner, "contact")
		require.NoError(t, err)
		require.Equal(t, []quality.RuleCount{{Rule: mail, Withheld: true}, {Rule: country, Count: 1}}, counts)

		wrong, err := d.Inspect(owner, "contact", []crm.ID{mine.ID, other.ID})
		require.NoError(t, err)
		require.Equal(t, map[crm.ID][]string{mine.ID: {"Country. Ask."}}, wrong, "of records and fields he may read")
		wrong, err = d.Inspect(ctx, "contact", []crm.ID{mine.ID, other.ID})
		require.NoError(t, err)
		require.Equal(t, []string{"Mail", "Country. Ask."}, wrong[other.ID], "the worst first")
		_, err = d.Inspect(ctx, "contact", make([]crm.ID, quality.MaxInspected+1))
		require.ErrorIs(t, err, crm.ErrInvalid)

		score, err := d.Score(owner, "contact", mine.ID)
		require.NoError(t, err)
		require.Equal(t, []quality.Rule{country}, score.Violated)
		require.True(t, score.Withheld)
		require.Zero(t, score.Valid, "the score is the same for everyone")
		_, err = d.Score(owner, "contact", other.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		scores, err := d.Scores(owner, "contact")
		require.NoError(t, err)
		require.Len(t, scores.Items, 1)

		_, err = d.Rules.Update(ctx, country.ID, func(r *quality.Rule) error { r.Off = true; return nil })
		require.NoError(t, err)
		counts, err = d.Overview(ctx, "contact")
		require.NoError(t, err)
		require.Len(t, counts, 1, "it rests")
	})
}

func TestScores(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.contact(ctx, t, contact{Name: "Ada", Email: "ada@example.com", Tags: []string{"vip"}})
		score, err := d.Score(ctx, "contact", ada.ID)
		require.NoError(t, err)
		require.Equal(t, quality.Score{Record: ada.ID, Score: 100, Complete: 100, Fresh: 100, Valid: 100}, score, "nothing is asked")

		_, err = d.Standards.Create(ctx, quality.Standard{
			Object: "contact", Complete: []quality.Wanted{{Field: "email", Weight: 2}, {Field: "phone"}, {Field: "tags"}, {Field: "size"}},
			FreshDays: 100, FreshFields: []string{"email", "phone"},
		})
		require.NoError(t, err)
		country := d.rule(ctx, t, quality.Rule{Name: "Country", When: "country == nil", Severity: quality.Error})
		d.rule(ctx, t, quality.Rule{Name: "Old", When: "created < ago('1y')", Severity: quality.Info})
		d.Clock.Advance(20 * day)
		_, err = d.contacts.Update(ctx, ada.ID, func(c *contact) error { c.Name = "Ada Lovelace"; return nil })
		require.NoError(t, err)
		score, err = d.Score(ctx, "contact", ada.ID)
		require.NoError(t, err)
		require.Equal(t, quality.Score{
			Record: ada.ID, Complete: 60, Missing: []string{"phone", "size"}, Fresh: 80, Changed: ada.Created, Valid: 20, Violated: []quality.Rule{country}, Score: 53,
		}, score, "the name is none of what is to be fresh; (60 + 80 + 20) / 3")
		_, err = d.contacts.Update(ctx, ada.ID, func(c *contact) error { c.Phone = "+49 30 901820"; return nil })
		require.NoError(t, err)
		d.Clock.Advance(50 * day)
		score, err = d.Score(ctx, "contact", ada.ID)
		require.NoError(t, err)
		require.EqualValues(t, 50, score.Fresh)
		require.EqualValues(t, 80, score.Complete)
		d.Clock.Advance(200 * day)
		scores, err := d.Scores(ctx, "contact", crm.Where("name startsWith 'Ada'"))
		require.NoError(t, err)
		require.Zero(t, scores.Items[0].Fresh)
		_, err = d.Score(ctx, "contact", crm.ID{1})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Score(ctx, "nothing", ada.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestWhatRulesAndStandardsCannotBe(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		for says, r := range map[string]quality.Rule{
			"there is no kind": {Object: "boat", Name: "X", When: "true"},
			"condition: ":      {Object: "contact", Name: "X", When: "colour == 'red'"},
			"has no field":     {Object: "contact", Name: "X", When: "true", Field: "colour"},
			"severity":         {Object: "contact", Name: "X", When: "true", Severity: "fatal"},
		} {
			_, err := d.Rules.Create(ctx, r)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		for says, s := range map[string]quality.Standard{
			"there is no kind":        {Object: "boat"},
			`has no field "colour"`:   {Object: "contact", Complete: []quality.Wanted{{Field: "colour"}}},
			"email is there twice":    {Object: "contact", Complete: []quality.Wanted{{Field: "email"}, {Field: "email"}}},
			"has the weight -1":       {Object: "contact", Complete: []quality.Wanted{{Field: "email", Weight: -1}}},
			"give 0 to 36500":         {Object: "contact", FreshDays: 40_000},
			"so that nobody asks":     {Object: "contact", FreshFields: []string{"email"}},
			"is the name of a text f": {Object: "contact", Source: "size"},
		} {
			_, err := d.Standards.Create(ctx, s)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		_, err := d.Standards.Create(ctx, quality.Standard{Object: "contact"})
		require.NoError(t, err)
		_, err = d.Standards.Create(ctx, quality.Standard{Object: "contact"})
		require.ErrorIs(t, err, crm.ErrConflict, "a kind has one")
		_, err = quality.New(nil)
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestSnapshotsTellTheQualityOverTime(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		dana, err := d.Members.Ensure(crm.System(t.Context(), "acme"), "dana", "Dana")
		require.NoError(t, err)
		d.contact(ctx, t, contact{Record: crm.Record{OwnerID: dana.ID}, Name: "Ada", Email: "a@example.com", Source: "fair"})
		bob := d.contact(crm.System(t.Context(), "acme"), t, contact{Name: "Bob", Source: "web"})
		_, err = d.Standards.Create(ctx, quality.Standard{Object: "contact", Complete: []quality.Wanted{{Field: "email"}}, Source: "source"})
		require.NoError(t, err)
		d.rule(ctx, t, quality.Rule{Name: "Country", When: "country == nil", Severity: quality.Error})
		first, err := d.Snapshot(ctx, "contact")
		require.NoError(t, err)
		require.Equal(t, quality.Snapshot{
			Object: "contact", Dimension: quality.ByObject, Day: crm.DateOf(d.Clock.Now()), Value: "*", Records: 2, Score: 50, Complete: 100, Fresh: 200, Errors: 2,
		}, first)
		require.EqualValues(t, 25, first.Average())

		_, err = d.contacts.Update(ctx, bob.ID, func(c *contact) error { c.Email, c.Country = "b@example.com", "DE"; return nil })
		require.NoError(t, err)
		d.Clock.Advance(day)
		require.NoError(t, d.RunDue(t.Context()), "the job")
		from, to := first.Day, crm.DateOf(d.Clock.Now())
		average := func(by quality.Dimension) map[string][]int64 {
			all := map[string][]int64{}
			page, err := d.Snapshots(ctx, "contact", by, from, to)
			require.NoError(t, err)
			for _, s := range page.Items {
				all[s.Value] = append(all[s.Value], s.Average())
			}
			return all
		}
		require.Equal(t, map[string][]int64{"*": {25, 75}}, average(quality.ByObject))
		require.Equal(t, map[string][]int64{"fair": {50, 50}, "web": {0, 100}}, average(quality.BySource))
		require.Equal(t, map[string][]int64{dana.ID.String(): {50, 50}, "-": {0, 100}}, average(quality.ByOwner))
		figures, err := d.Aggregate(ctx, "quality_snapshot", crm.Figures{
			GroupBy:  []crm.GroupBy{{Field: "day", Bucket: crm.ByWeek}},
			Measures: []crm.Measure{{Fn: crm.FnSum, Field: "score"}, {Fn: crm.FnSum, Field: "records"}},
		}, crm.Where("dimension == 'object'"))
		require.NoError(t, err)
		require.Equal(t, []any{int64(200), int64(4)}, figures.Rows[0].Values)

		d.role(t, "own", crm.Allow("contact", crm.LevelOwn, crm.AnyVerb))
		_, err = d.Snapshots(as(t, "own"), "contact", quality.ByObject, from, to)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Snapshot(as(t, "own"), "contact")
		require.ErrorIs(t, err, crm.ErrForbidden)
	})
}
