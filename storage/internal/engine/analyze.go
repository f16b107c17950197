package engine

import (
	"context"

	"github.com/embedcrm/embedcrm/storage"
)

// Analyze looks at the tables one after the other, each in a statement of its own.
func (e *Engine) Analyze(ctx context.Context, tables ...*storage.Table) error {
	verb := e.d.Analyze()
	if verb == "" {
		return nil
	}
	for _, t := range tables {
		if err := t.Check(); err != nil {
			return err
		}
		if err := e.await(ctx, e.db); err != nil {
			return err
		}
		if _, err := e.db.ExecContext(ctx, verb+" "+e.d.TableName(t.Name)); err != nil {
			return e.classify(ctx, "analyze", t.Name, err)
		}
	}
	return nil
}
