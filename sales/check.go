package sales

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// check finds deals whose status is not the kind of their stage, or whose stage is one of
// another pipeline.
func (d *Deals) check(ctx context.Context, found func(object string, record crm.ID, what string)) error {
	for _, wrong := range []struct{ where, what string }{
		{"status != stage.kind", "its status is not that of its stage"},
		{"pipeline_id != stage.pipeline_id", "its stage is one of another pipeline"},
	} {
		page, err := d.List(ctx, crm.Where(wrong.where), crm.Limit(crm.MaxPage))
		if err != nil {
			return err
		}
		for _, deal := range page.Items {
			found("deal", deal.ID, wrong.what)
		}
	}
	return nil
}
