package crm

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Of a record that the relay takes without looking twice, no earlier event can be left
// behind: what the batch has of it begins with the first version and has no gap. Every
// other record is looked at, and nothing is lost.
func TestARecordIsTakenFromItsFirstEventOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var batch []*eventRow
		versions := map[[2]string]map[int64]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			object, record := rapid.SampledFrom([]string{"deal", "task"}).Draw(t, "object"), rapid.ByteRange(1, 3).Draw(t, "record")
			e := &eventRow{object: object, record: uuid.UUID{record}, version: rapid.Int64Range(1, 4).Draw(t, "version")}
			k := [2]string{object, e.record.String()}
			if versions[k] == nil {
				versions[k] = map[int64]bool{}
			}
			if !versions[k][e.version] { // the database has each version once
				versions[k][e.version] = true
				batch = append(batch, e)
			}
		}
		taken, others := fromFirst(batch)
		looked := map[[2]string]bool{}
		for object, ids := range others {
			for _, id := range ids {
				key, _ := id.(uuid.UUID)
				looked[[2]string{object, key.String()}] = true
			}
		}
		n := 0
		for k, has := range versions {
			whole := true
			for v := int64(1); v <= int64(len(has)); v++ {
				whole = whole && has[v]
			}
			require.Equal(t, !whole, looked[k], "%v has %v", k, has)
			if whole {
				n += len(has)
			}
		}
		require.Len(t, taken, n)
		for _, e := range taken {
			require.False(t, looked[[2]string{e.object, e.record.String()}])
		}
	})
}
