package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/analytics"
	"github.com/embedcrm/embedcrm/crm"
)

// reports are the figures that are printed, of the deals of the data's pipeline.
func reports() []analytics.Report {
	where := func(text string) crm.Filter { return crm.Filter{Text: text} }
	deals := analytics.Measure{Name: "deals", Fn: crm.FnCount}
	decided := []analytics.Measure{
		{Name: "won", Fn: crm.FnCount, Where: where("status == 'won'")},
		{Name: "lost", Fn: crm.FnCount, Where: where("status == 'lost'")},
		{Name: "won value", Fn: crm.FnSum, Field: "amount", Where: where("status == 'won'")},
		{Name: "win rate", Fn: analytics.FnRatio, Of: []string{"won"}, Per: []string{"won", "lost"}},
	}
	list := []analytics.Report{{
		Title:    "Deals by stage",
		Groups:   []analytics.Group{{Name: "step", Field: "stage.position"}, {Name: "stage", Field: "stage.name"}},
		Measures: []analytics.Measure{deals, {Name: "value", Fn: crm.FnSum, Field: "amount"}},
		Total:    true,
	}, {
		Title:  "Open pipeline (weighted by the probability of the stage: prospecting 10 %, engaging 50 %)",
		Where:  where("status == 'open'"),
		Groups: []analytics.Group{{Name: "stage", Field: "stage.name"}},
		Measures: []analytics.Measure{
			deals, {Name: "value", Fn: crm.FnSum, Field: "amount"},
			{Name: "weighted", Fn: crm.FnWeighted, Field: "amount", Weight: "stage.probability"},
		},
		Total: true,
	}}
	for _, by := range []struct{ title, name, field string }{
		{"manager", "manager", "owner.custom.manager"}, {"sales agent", "agent", "owner.name"}, {"product", "product", "product.name"},
		{"office", "office", "owner.custom.office"}, {"sector", "sector", "customer.industry"},
	} {
		list = append(list, analytics.Report{
			Title: "Won by " + by.title, Where: where("status != 'open'"),
			Groups: []analytics.Group{{Name: by.name, Field: by.field}}, Measures: decided, Order: []string{"-won value", by.name},
		})
	}
	return slices.Insert(list, 2, analytics.Report{
		Title: "Won by quarter", Where: where("status != 'open'"), Zone: "UTC",
		Groups: []analytics.Group{{Name: "quarter", Field: "closed", Bucket: crm.ByQuarter}}, Measures: decided, Total: true,
	})
}

// figures prints the reports.
func figures(ctx context.Context, app *embedcrm.App, to io.Writer) error {
	for _, r := range reports() {
		r.Object = "deal"
		r.Where.Text = strings.TrimPrefix(r.Where.Text+" and pipeline.key == $1", " and ")
		r.Where.Args = []any{pipelineKey}
		result, err := app.Analytics.Run(ctx, r)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(to, "\n%s\n", r.Title)
		if err := result.WriteTable(to); err != nil {
			return err
		}
		if r.Title == "Won by quarter" {
			t := *result.Total
			_, _ = fmt.Fprintf(to, "\nwon %v\nlost %v\nwon value %s\n", t[1], t[2], amounts(t[3]))
		}
	}
	return nil
}

func amounts(v any) string {
	all, _ := v.([]crm.Money)
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = m.String()
	}
	return strings.Join(texts, ", ")
}

// biography prints what happened to the deal that brought in most.
func biography(ctx context.Context, app *embedcrm.App, to io.Writer) error {
	page, err := app.Sales.Deals.List(ctx, crm.Where("pipeline.key == $1 and status == 'won'", pipelineKey), crm.OrderBy("-amount", "name"), crm.Limit(1))
	if err != nil || len(page.Items) == 0 {
		return err
	}
	deal := page.Items[0]
	history, err := app.Sales.Deals.History(ctx, deal.ID)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(to, "\nThe history of %s\n", deal.Name)
	for _, e := range slices.Backward(history.Items) { // the latest comes first
		_, _ = fmt.Fprintf(to, "%s  %s by %s", e.Happened.Format("2006-01-02"), e.Name, e.Actor)
		for _, c := range e.Changes {
			if c.Field == "amount" || c.Field == "status" {
				_, _ = fmt.Fprintf(to, ", %s %s -> %s", c.Field, c.Before, c.After)
			}
		}
		_, _ = fmt.Fprintln(to)
	}
	spans, err := app.Sales.Deals.StageHistory(ctx, deal.ID)
	if err != nil {
		return err
	}
	for _, s := range spans {
		line := fmt.Sprintf("%s since %s", s.Stage.Name, s.Entered.Format("2006-01-02"))
		if !s.Left.IsZero() {
			line += fmt.Sprintf(", for %d days", int(s.Left.Sub(s.Entered).Hours())/24)
		}
		_, _ = fmt.Fprintln(to, line)
	}
	return nil
}
