package crm

import "context"

// AddCheck registers what must be true of what a module stores, before Migrate:
// [Core.Check] asks it of every tenant, with a context of the system's in an instant of
// the database, in which nothing can be written. To found it tells what should not be as
// it is: the kind of record, the record, or a zero ID when it is about several, and what
// is wrong, without naming values. Its error ends the check. Modules call AddCheck when
// they are made.
func (c *Core) AddCheck(fn func(ctx context.Context, found func(object string, record ID, what string)) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks = append(c.checks, fn)
}

// modules asks what modules hold true.
func (ch *checker) modules() error {
	for _, check := range ch.core.checks {
		if err := check(ch.ctx, ch.problem); err != nil {
			return err
		}
	}
	return nil
}
