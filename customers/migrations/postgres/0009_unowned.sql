-- What waits in a pool, the latest changed first, however many customers have an owner.
CREATE INDEX customer_unowned ON {schema}.customer (tenant, updated, id) WHERE deleted IS NULL AND owner_id IS NULL;
