package embedcrm

import (
	"context"

	"github.com/embedcrm/embedcrm/analytics"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/sales"
	"github.com/embedcrm/embedcrm/storage"
)

// App is a CRM with all its modules. It is safe for any number of goroutines.
type App struct {
	// Core is the kernel, on which the modules stand: Migrate, Join, Tx, Tenants,
	// Members, Teams, Roles, Fields and what else all records have in common.
	*crm.Core

	// Activity is what is done and said about records of any kind: interactions, notes,
	// comments, tasks and files.
	Activity *activity.Activity
	// Customers are the people and organisations one does business with.
	Customers *customers.Customers
	// Pools are where customers wait whom nobody owns, until they are claimed.
	Pools *pool.Pools
	// Privacy is what persons ask of a tenant about their data, and who reads it.
	Privacy *privacy.Privacy
	// Sales are products, pipelines and deals.
	Sales *sales.Sales
	// Analytics are reports over the records of all kinds.
	Analytics *analytics.Analytics
	// Transfer brings records of all kinds in from files, and writes them out.
	Transfer *transfer.Transfer
	// Quality keeps records of all kinds good.
	Quality *quality.Quality
}

// New returns a CRM on a store, with all its modules. The zero Config works. Nothing is read or written: call Migrate
// next. A host's own kinds of records can be defined on its Core before that.
func New(store storage.Store, cfg crm.Config) (*App, error) {
	core, err := crm.New(store, cfg)
	if err != nil {
		return nil, err
	}
	work, err := activity.New(core)
	if err != nil {
		return nil, err
	}
	people, err := customers.New(core)
	if err != nil {
		return nil, err
	}
	pools, err := pool.New(core, "customer")
	if err != nil {
		return nil, err
	}
	guard, err := privacy.New(core)
	if err != nil {
		return nil, err
	}
	guard.Acts("customer", privacy.Acts{
		Restrict: people.Restrict, Lift: people.LiftRestriction, Object: people.Object, Addresses: addressesOf(people),
	})
	pipeline, err := sales.New(core, people)
	if err != nil {
		return nil, err
	}
	files, err := transfer.New(core)
	if err != nil {
		return nil, err
	}
	good, err := quality.New(core)
	if err != nil {
		return nil, err
	}
	return &App{
		Core: core, Activity: work, Customers: people, Pools: pools, Sales: pipeline, Analytics: analytics.New(core), Transfer: files,
		Quality: good, Privacy: guard,
	}, nil
}

// addressesOf are the addresses by which a customer is known, as [privacy.Acts] wants them.
func addressesOf(people *customers.Customers) func(context.Context, crm.ID) ([]crm.Address, error) {
	return func(ctx context.Context, id crm.ID) ([]crm.Address, error) {
		list, err := people.Addresses(ctx, id)
		var all []crm.Address
		for _, a := range list {
			if !a.Malformed {
				all = append(all, a.Address)
			}
		}
		return all, err
	}
}
