package crm_test

import (
	"testing"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		crmtest.RequireSchema(t, s.Core.Core, e.DB, e.Name)
	})
}
