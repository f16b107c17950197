package transfer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesAreParted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ full, given, family string }{
		{"Ada Lovelace", "Ada", "Lovelace"},
		{"  Dr. Ludwig  van   Beethoven ", "Ludwig", "van Beethoven"},
		{"Prof. Dr. Maria de la Cruz", "Maria", "de la Cruz"},
		{"Lovelace, Ada", "Ada", "Lovelace"},
		{"van Gogh, Vincent", "Vincent", "van Gogh"},
		{"Smith, John, Jr.", "John", "Smith"},
		{"Smith, Dr. John", "John", "Smith"},
		{"Martin Luther King Jr.", "Martin Luther", "King"},
		{"Sammy Davis, Jr.", "Sammy", "Davis"},
		{"M. C. Escher", "M. C.", "Escher"},
		{"Bond, James, 007", "", ""},
		{"Madonna", "", ""},
		{"Dr. Strange", "", ""},
		{"Van Morrison", "Van", "Morrison"},
		{"李雷", "雷", "李"},
		{"王小明", "小明", "王"},
		{"欧阳修", "修", "欧阳"},
		{"司马相如", "相如", "司马"},
		{"諸葛孔明", "孔明", "諸葛"},
		{"司马", "马", "司"},
		{"李 雷", "雷", "李"},
		{"约翰·史密斯", "约翰", "史密斯"},
		{"约翰·F·肯尼迪", "约翰·F", "肯尼迪"},
		{"山田太郎", "", ""},
		{"李", "", ""},
		{"김민준", "민준", "김"},
		{"남궁민수", "민수", "남궁"},
		{"김 민준", "민준", "김"},
		{"Пётр Чайковский", "Пётр", "Чайковский"},
		{"", "", ""},
		{",", "", ""},
		{", Ada", "", ""},
		{"Jr.", "", ""},
	} {
		given, family, ok := splitName(c.full)
		require.Equal(t, c.given != "", ok, c.full)
		if ok {
			require.Equal(t, []string{c.given, c.family}, []string{given, family}, c.full)
		}
	}
}
