ALTER TABLE {schema}.import ADD COLUMN migration text COLLATE "C";
