package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// directory is the files of a former CRM's export, and what is said of them.
type directory struct {
	names  []string
	kinds  []string // that there are
	system string
	said   map[string]string // by file
}

// fileTable is what a file is.
type fileTable struct {
	file, object, system string
}

// file is the file that is called so, with its ending or without.
func (d *directory) file(flag, name string) (string, error) {
	for _, file := range d.names {
		if name == file || name == stem(file) {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: there is no file %q: there are %s", flag, name, strings.Join(d.names, ", "))
}

// perFile is what a flag says, by file.
func (d *directory) perFile(flag string, said map[string]string) (map[string]string, error) {
	of := map[string]string{}
	for name, what := range said {
		file, err := d.file(flag, name)
		if err != nil {
			return nil, err
		}
		of[file] = what
	}
	return of, nil
}

// perColumn is what a flag says of columns or fields, by file.
func (d *directory) perColumn(flag string, said map[string]string) (map[string]map[string]string, error) {
	of := map[string]map[string]string{}
	for name, what := range said {
		name, column, ok := strings.Cut(name, ":")
		if !ok {
			return nil, fmt.Errorf("%s: say of which file, as in %s '%s:%s=%s'", flag, flag, d.names[0], name, what)
		}
		file, err := d.file(flag, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if of[file] == nil {
			of[file] = map[string]string{}
		}
		of[file][strings.TrimSpace(column)] = what
	}
	return of, nil
}

// tables are what the files are, and the histories of some, by the file of the table.
func (d *directory) tables() (tables []fileTable, histories map[string]string, err error) {
	of := map[string]string{} // histories that have yet to find their tables, by file
	var unknown []string
	for _, file := range d.names {
		what, said := d.said[file]
		history, isHistory := strings.CutPrefix(what, "history:")
		switch {
		case isHistory:
			if of[file], err = d.file("-tables", history); err != nil {
				return nil, nil, err
			}
		case said && what == "": // left out
		case said:
			x := fileTable{file: file}
			x.object, x.system, _ = strings.Cut(what, "@")
			if !slices.Contains(d.kinds, x.object) {
				return nil, nil, fmt.Errorf("-tables: %s=%s: there is no kind of record %q: there are %s", file, what, x.object, strings.Join(d.kinds, ", "))
			}
			tables = append(tables, x)
		case len(historyOf(file)) > 0:
			of[file] = ""
		default:
			x := fileTable{file: file, object: d.object(words(stem(file)))}
			if x.object == "" {
				unknown = append(unknown, file)
			}
			tables = append(tables, x)
		}
	}
	if len(unknown) > 0 {
		return nil, nil, fmt.Errorf("%s: what the rows are is not understood by the name: say it, as in -tables '%s=deal', or leave it out by -tables '%s='",
			strings.Join(unknown, ", "), unknown[0], unknown[0])
	}
	histories, err = d.histories(tables, of)
	return tables, histories, err
}

// histories finds the tables of histories.
func (d *directory) histories(tables []fileTable, of map[string]string) (map[string]string, error) {
	found := map[string]string{}
	for _, file := range d.names {
		table, ok := of[file]
		if !ok {
			continue
		}
		if table == "" {
			table = d.tableOf(historyOf(file), tables)
		}
		if !slices.ContainsFunc(tables, func(x fileTable) bool { return x.file == table }) {
			return nil, fmt.Errorf("%s: it is a history, and of which table is not understood: say it, as in -tables '%s=history:FILE', or leave it out by -tables '%s='",
				file, file, file)
		}
		if found[table] != "" {
			return nil, fmt.Errorf("%s and %s are both histories of %s: leave one out by -tables '%s='", found[table], file, table, file)
		}
		found[table] = file
	}
	return found, nil
}

// tableOf is the file of the table that words name: by its own name, or as the only one of
// its kind.
func (d *directory) tableOf(name []string, tables []fileTable) string {
	for _, x := range tables {
		if slices.EqualFunc(words(stem(x.file)), name, func(a, b string) bool { return singular(a) == singular(b) }) {
			return x.file
		}
	}
	object, file := d.object(name), ""
	for _, x := range tables {
		switch {
		case x.object != object || object == "":
		case file != "":
			return ""
		default:
			file = x.file
		}
	}
	return file
}

// object is the kind of record that the words of a file's name say, or empty: they say none,
// or several, or something that is not known.
func (d *directory) object(name []string) string {
	if kind := strings.Join(name, "_"); slices.Contains(d.kinds, kind) {
		return kind
	}
	object := ""
	for _, w := range name {
		means := objects[singular(w)]
		switch {
		case idle[w] || strings.EqualFold(w, d.system) || strings.Trim(w, "0123456789") == "":
		case means == "" || object != "" && means != object:
			return ""
		default:
			object = means
		}
	}
	return object
}

// historyOf are the words that say of what a file is the history, or none: it is none.
func historyOf(file string) []string {
	name := words(stem(file))
	n := len(name)
	for n > 0 && slices.Contains([]string{"history", "field", "property", "histories", "历史", "变更历史", "变更"}, name[n-1]) {
		n--
	}
	if n == 0 || !slices.ContainsFunc(name[n:], func(w string) bool { return w != "field" && w != "property" }) {
		return nil
	}
	return name[:n]
}

// stem is a file's name without its ending.
func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// singular is an English word without the ending of the plural.
func singular(w string) string {
	if s, ok := strings.CutSuffix(w, "ies"); ok {
		return s + "y"
	}
	return strings.TrimSuffix(w, "s")
}

// words cuts a file's name into words, in small letters: at what is no letter or digit, and
// before a capital. Chinese is cut by the words that are known, the longest first.
func words(name string) (list []string) {
	var word []rune
	end := func() {
		if len(word) > 0 {
			list = append(list, chinese(word)...)
		}
		word = nil
	}
	var last rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		default:
			if unicode.IsUpper(r) && unicode.IsLower(last) || unicode.IsDigit(r) != unicode.IsDigit(last) || unicode.Is(unicode.Han, r) != unicode.Is(unicode.Han, last) {
				end()
			}
			word = append(word, unicode.ToLower(r))
		}
		last = r
	}
	end()
	return list
}

// chinese cuts a run of Chinese into known words.
func chinese(run []rune) (list []string) {
	if !unicode.Is(unicode.Han, run[0]) {
		return []string{string(run)}
	}
	for len(run) > 0 {
		n := min(len(run), 4)
		for w := string(run[:n]); n > 1 && objects[w] == "" && !idle[w] && w != "历史" && w != "变更历史"; w = string(run[:n]) {
			n--
		}
		list = append(list, string(run[:n]))
		run = run[n:]
	}
	return list
}

//nolint:gochecknoglobals // a dictionary is constant
var (
	// objects are the kinds of records by what files of them are called, in the singular.
	objects = map[string]string{
		"account": "customer", "company": "customer", "organisation": "customer", "organization": "customer", "contact": "customer", "person": "customer", "people": "customer",
		"lead": "customer", "customer": "customer", "client": "customer", "公司": "customer", "企业": "customer", "客户": "customer", "联系人": "customer", "线索": "customer",
		"opportunity": "deal", "deal": "deal", "商机": "deal", "机会": "deal", "销售机会": "deal", "交易": "deal",
		"product": "product", "产品": "product", "商品": "product", "pipeline": "pipeline", "stage": "stage", "阶段": "stage", "销售阶段": "stage",
		"note": "note", "笔记": "note", "备注": "note", "task": "task", "todo": "task", "任务": "task", "待办": "task", "comment": "comment", "评论": "comment",
		"interaction": "interaction", "activity": "interaction", "call": "interaction", "meeting": "interaction", "event": "interaction", "email": "interaction",
		"活动": "interaction", "跟进记录": "interaction", "通话": "interaction", "会议": "interaction",
		"user": "member", "member": "member", "owner": "member", "employee": "member", "用户": "member", "成员": "member", "员工": "member",
		"order": "purchase", "purchase": "purchase", "invoice": "purchase", "订单": "purchase", "发票": "purchase",
	}
	// idle are words that say nothing more.
	idle = map[string]bool{
		"all": true, "crm": true, "export": true, "exports": true, "data": true, "list": true, "table": true, "my": true, "full": true, "final": true, "backup": true, "the": true,
		"导出": true, "列表": true, "数据": true, "全部": true, "信息": true, "表": true,
	}
)
