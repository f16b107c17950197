package embedcrm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file holds the house rules of CONTRIBUTING.md that a compiler does not.

const module = "github.com/embedcrm/embedcrm"

var update = flag.Bool("update", false, "write api/*.txt anew")

// A room is a directory of packages, and what its code, tests aside, may import beyond the standard library.
type room struct {
	inside  []string // rooms of this module
	outside []string // packages of others, with all below them
	tests   []string // rooms of this module that its tests alone may import, besides forTests
}

// rooms is the house: imports run downward only. A package belongs to the nearest room above it. A new room has to be
// put in here, and what it may import is decided here.
var rooms = map[string]room{
	"": {inside: []string{"analytics", "crm", "crm/activity", "crm/pool", "crm/privacy", "crm/quality", "crm/transfer", "customers", "sales", "storage"}},
	"embedcrmtest": {
		inside:  []string{"", "crm", "crm/crmtest", "sales", "storage", "storage/sqlite"},
		outside: []string{"github.com/stretchr/testify", "modernc.org/sqlite"},
	},

	"customers": {inside: []string{"crm", "customers/match", "storage"}, outside: []string{"golang.org/x/text"}},
	"customers/match": {
		inside:  []string{"crm"},
		outside: []string{"github.com/adrg/strutil", "github.com/agnivade/levenshtein", "golang.org/x/text"},
	},
	"sales": {inside: []string{"crm", "customers", "storage"}},

	"storage":             {outside: []string{"github.com/google/uuid"}},
	"storage/storagetest": {inside: []string{"storage"}, outside: []string{"github.com/google/uuid", "github.com/stretchr/testify", "pgregory.net/rapid"}},
	"storage/internal":    {inside: []string{"storage"}, outside: []string{"github.com/google/uuid", "github.com/uptrace/bun"}},
	"storage/postgres":    {inside: []string{"storage", "storage/internal"}, outside: []string{"github.com/google/uuid", "github.com/jackc/pgx/v5"}},
	"storage/sqlite":      {inside: []string{"storage", "storage/internal"}, outside: []string{"github.com/google/uuid"}},

	"crm": {
		inside:  []string{"storage", "crm/internal/cron", "crm/internal/filter", "crm/internal/tokens"},
		outside: []string{"github.com/google/uuid", "golang.org/x/text"},
	},
	"crm/internal/cron":   {},
	"crm/internal/filter": {inside: []string{"storage"}, outside: []string{"github.com/google/uuid", "github.com/expr-lang/expr"}},
	"crm/internal/tokens": {},
	"crm/phone":           {inside: []string{"crm"}, outside: []string{"github.com/nyaruka/phonenumbers"}},
	"crm/pinyin":          {outside: []string{"github.com/mozillazg/go-pinyin"}},
	"crm/crmtest":         {inside: []string{"crm", "storage", "storage/sqlite"}, outside: []string{"github.com/stretchr/testify", "modernc.org/sqlite"}},
	"crm/smtp":            {inside: []string{"crm"}},
	"crm/fieldcrypt": {
		inside: []string{"crm"}, outside: []string{"github.com/tink-crypto/tink-go/v2"},
		tests: []string{"crm/transfer", "customers", "storage"}, // whatever keeps a protected value
	},
	"crm/activity":         {inside: []string{"crm", "storage"}, outside: []string{"github.com/teambition/rrule-go"}},
	"crm/pool":             {inside: []string{"crm", "storage"}},
	"crm/privacy":          {inside: []string{"crm", "storage"}},
	"crm/quality":          {inside: []string{"crm", "storage"}},
	"crm/transfer":         {inside: []string{"crm", "crm/transfer/heading", "storage"}, outside: []string{"golang.org/x/text"}},
	"crm/transfer/heading": {outside: []string{"golang.org/x/text"}},

	"crm/transfer/vcard": {inside: []string{"crm", "crm/transfer"}, outside: []string{"golang.org/x/text"}},
	"crm/transfer/xlsx":  {inside: []string{"crm", "crm/transfer"}, outside: []string{"github.com/xuri/excelize/v2"}},

	"analytics": {inside: []string{"crm", "storage"}},

	"internal/pagetest": {outside: []string{"github.com/stretchr/testify"}},
	"internal/pgtest":   {outside: []string{"github.com/jackc/pgx/v5"}},
	"internal/enginetest": {
		inside:  []string{"internal/pgtest", "storage", "storage/postgres", "storage/sqlite"},
		outside: []string{"github.com/jackc/pgx/v5", "github.com/stretchr/testify", "modernc.org/sqlite"},
	},
}

// forTests are the rooms that any test may import, as a host would.
var forTests = []string{"crm/crmtest", "crm/fieldcrypt", "crm/phone", "crm/pinyin", "crm/transfer/vcard", "embedcrmtest", "internal/enginetest", "internal/pagetest", "internal/pgtest", "storage/postgres", "storage/sqlite", "storage/storagetest"}

// drivers are for the host to bring, so a room has one only if it says so, not by way of another package either.
var drivers = []string{
	"github.com/jackc/pgx", "github.com/lib/pq", "github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3",
	"github.com/uptrace/bun/driver", "modernc.org/sqlite",
}

// readClock are the files that may ask what time it is: everyone else is told.
var readClock = []string{
	"crm/clock.go", "examples/bench/measure.go", "storage/storagetest/concurrency.go", "storage/storagetest/join.go", "storage/storagetest/transactions.go",
}

// TestFloors holds the imports of every package to its room.
func TestFloors(t *testing.T) {
	for _, pkg := range list(t) {
		name, ok := roomOf(pkg.ImportPath)
		if !ok {
			t.Errorf("%s is in no room: put it in the table rooms in house_test.go", pkg.ImportPath)
			continue
		}
		for _, imported := range pkg.Imports {
			if !mayImport(name, imported, nil) {
				t.Errorf("%s must not import %s", pkg.ImportPath, imported)
			}
		}
		for _, imported := range slices.Concat(pkg.TestImports, pkg.XTestImports) {
			if inModule(imported) && !mayImport(name, imported, slices.Concat(forTests, rooms[name].tests)) {
				t.Errorf("a test of %s must not import %s", pkg.ImportPath, imported)
			}
		}
		for _, dependency := range pkg.Deps {
			if below(dependency, drivers) && !below(dependency, rooms[name].outside) {
				t.Errorf("%s must not bring the driver %s", pkg.ImportPath, dependency)
			}
		}
	}
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath, Dir                          string
	Imports, Deps, TestImports, XTestImports []string
}

// list returns the packages of the module.
func list(t *testing.T) (packages []goPackage) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,Deps,TestImports,XTestImports", "./...").Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		require.NoError(t, err, "%s", failed.Stderr)
	}
	require.NoError(t, err)
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var pkg goPackage
		require.NoError(t, decoder.Decode(&pkg))
		packages = append(packages, pkg)
	}
	return packages
}

func inModule(importPath string) bool { return below(importPath, []string{module}) }

// below reports whether an import path is one of the paths or below one.
func below(importPath string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return importPath == p || strings.HasPrefix(importPath, p+"/") })
}

// roomOf returns the nearest room above a package of the module. The root's own room has no rooms within.
func roomOf(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	for dir := strings.TrimPrefix(importPath, module+"/"); dir != "."; dir = path.Dir(dir) {
		if _, ok := rooms[dir]; ok {
			return dir, true
		}
	}
	return "", false
}

// mayImport reports whether a package in the room may import another: of the standard library, of its own room, or
// what the table says, or of the rooms besides.
func mayImport(name, imported string, besides []string) bool {
	if !inModule(imported) {
		first, _, _ := strings.Cut(imported, "/")
		return !strings.Contains(first, ".") || below(imported, rooms[name].outside)
	}
	other, ok := roomOf(imported)
	return ok && (other == name || slices.Contains(rooms[name].inside, other) || slices.Contains(besides, other))
}

// A source is a parsed Go file.
type source struct {
	name string // slashed, from the root
	file *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// sources returns all Go files of the repository, of all its modules and all systems.
func sources(t *testing.T) (fset *token.FileSet, files []source) {
	t.Helper()
	fset = token.NewFileSet()
	require.NoError(t, filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, source{name: filepath.ToSlash(name), file: file})
		return err
	}))
	return fset, files
}

// TestDocumented wants a package comment on every package.
func TestDocumented(t *testing.T) {
	documented := map[string]bool{}
	_, files := sources(t)
	for _, source := range files {
		if !source.isTest() {
			dir := path.Dir(source.name)
			documented[dir] = documented[dir] || source.file.Doc.Text() != ""
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("the package in %s has no package comment", dir)
		}
	}
}

// TestForbidden refuses what has no place in this code.
func TestForbidden(t *testing.T) {
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XXX)\b`)
	fset, files := sources(t)
	for _, source := range files {
		for _, group := range source.file.Comments {
			if unfinished.MatchString(group.Text()) {
				t.Errorf("%s: do it, or say as a fact what is missing", fset.Position(group.Pos()))
			}
		}
		if source.isTest() {
			continue
		}
		ast.Inspect(source.file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				if node.Recv == nil && node.Name.Name == "init" {
					t.Errorf("%s: an import has no effects", fset.Position(node.Pos()))
				}
			case *ast.SelectorExpr:
				pkg, ok := node.X.(*ast.Ident)
				reads := ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, node.Sel.Name)
				if reads && !slices.Contains(readClock, source.name) {
					t.Errorf("%s: ask the clock you were given", fset.Position(node.Pos()))
				}
			}
			return true
		})
	}
}

// noExample are the methods that need no example, and why.
var noExample = map[string][]string{
	"other packages call them, by an interface of theirs": {
		"Error", "Is", "MarshalJSON", "MarshalText", "Scan", "String", "UnmarshalJSON", "UnmarshalText", "Unwrap",
	},
	"stores call them, by the contract": {"Dest", "Value"},
	"their names say all there is":      {"Compare", "IsZero"},
}

// TestExamples wants an example for every function and method of crm: one named after it, with or without a suffix.
func TestExamples(t *testing.T) {
	fset, files := sources(t)
	examples := map[string]bool{}
	for _, source := range files {
		if path.Dir(source.name) != "crm" || !source.isTest() {
			continue
		}
		for _, example := range doc.Examples(source.file) {
			if example.Output == "" && !example.EmptyOutput {
				t.Errorf("%s: Example%s is not run: say what it prints", source.name, example.Name)
			}
			examples[exampleOf(example.Name)] = true
		}
	}
	spared := slices.Concat(slices.Collect(maps.Values(noExample))...)
	for _, source := range files {
		if path.Dir(source.name) != "crm" || source.isTest() {
			continue
		}
		for _, decl := range source.file.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok || !function.Name.IsExported() {
				continue
			}
			name := function.Name.Name
			if function.Recv != nil {
				receiver := receiverName(function)
				if !ast.IsExported(receiver) || slices.Contains(spared, name) {
					continue
				}
				name = receiver + "_" + name
			}
			if !examples[name] {
				t.Errorf("%s: write Example%s", fset.Position(function.Pos()), name)
			}
		}
	}
}

// exampleOf returns what an example of this name is of, by go doc's rules: a suffix begins with a small letter.
func exampleOf(name string) string {
	if i := strings.LastIndexByte(name, '_'); i >= 0 && !ast.IsExported(name[i+1:]) {
		return name[:i]
	}
	return name
}

// TestAPI compares the exported names of every package that others can import with api/, so that a name is added,
// changed or removed only on purpose.
func TestAPI(t *testing.T) {
	_, files := sources(t)
	surface := map[string][]string{}
	for _, source := range files {
		dir := path.Dir(source.name)
		parts := strings.Split(dir, "/")
		if source.isTest() || slices.Contains(parts, "internal") || parts[0] == "examples" || source.file.Name.Name == "main" {
			continue
		}
		name := "api/" + strings.ReplaceAll(path.Join("embedcrm", dir), "/", "_") + ".txt"
		if lines := exported(source.file); len(lines) > 0 {
			surface[name] = append(surface[name], lines...)
		}
	}
	listings, err := filepath.Glob("api/*.txt")
	require.NoError(t, err)
	if *update {
		for _, name := range listings {
			require.NoError(t, os.Remove(name))
		}
		require.NoError(t, os.MkdirAll("api", 0o755))
	}
	for name, now := range surface {
		slices.Sort(now)
		now = slices.Compact(now) // a name may be there once for each system
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(strings.Join(now, "\n")+"\n"), 0o644))
			continue
		}
		listing, _ := os.ReadFile(name) // none lists nothing
		was := strings.Split(strings.TrimSpace(string(listing)), "\n")
		if added := without(now, was); added != "" {
			t.Errorf("%s does not list the following: if it is meant to be exported, run `make api`\n%s", name, added)
		}
		if removed := without(was, now); removed != "" {
			t.Errorf("%s lists the following: if it is meant to be gone, run `make api`\n%s", name, removed)
		}
	}
	for _, name := range listings {
		if surface[filepath.ToSlash(name)] == nil && !*update {
			t.Errorf("%s is of a package that is gone: run `make api`", name)
		}
	}
}

// without returns the lines that are not among the others.
func without(lines, others []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return line == "" || slices.Contains(others, line)
	}), "\n")
}

// exported returns a line for every exported constant, variable, function, type, method, struct field and interface
// method of a file.
func exported(file *ast.File) (lines []string) {
	add := func(words ...string) { lines = append(lines, strings.Join(words, "")) }
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			switch receiver := receiverName(decl); {
			case !decl.Name.IsExported():
			case decl.Recv == nil:
				add("func ", decl.Name.Name, typeParams(decl.Type.TypeParams), signature(decl.Type))
			case ast.IsExported(receiver):
				add("func (", types.ExprString(decl.Recv.List[0].Type), ") ", decl.Name.Name, signature(decl.Type))
			}
		case *ast.GenDecl:
			var implied ast.Expr // a constant without type and value has those of the one before
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					if spec.Type != nil || spec.Values != nil {
						implied = spec.Type
					}
					for n, name := range spec.Names {
						if !name.IsExported() {
							continue
						}
						line := decl.Tok.String() + " " + name.Name
						if implied != nil {
							line += " " + types.ExprString(implied)
						}
						if n < len(spec.Values) && decl.Tok == token.CONST {
							line += " = " + types.ExprString(spec.Values[n])
						}
						add(line)
					}
				case *ast.TypeSpec:
					if spec.Name.IsExported() {
						lines = append(lines, typeLines(spec)...)
					}
				}
			}
		}
	}
	return lines
}

// typeLines returns the lines of a type and of its exported fields or methods.
func typeLines(spec *ast.TypeSpec) (lines []string) {
	head := "type " + spec.Name.Name + typeParams(spec.TypeParams) + " "
	if spec.Assign.IsValid() {
		head += "= "
	}
	var members *ast.FieldList
	switch kind := spec.Type.(type) {
	case *ast.StructType:
		head += "struct"
		members = kind.Fields
	case *ast.InterfaceType:
		head += "interface"
		members = kind.Methods
	default:
		return []string{head + types.ExprString(spec.Type)}
	}
	lines = []string{head}
	for _, member := range members.List {
		if len(member.Names) == 0 {
			lines = append(lines, head+", embedded "+types.ExprString(member.Type))
		}
		for _, name := range member.Names {
			method, isMethod := member.Type.(*ast.FuncType)
			switch _, isStruct := spec.Type.(*ast.StructType); {
			case !name.IsExported() && isStruct: // nobody's business
			case !name.IsExported():
				lines = append(lines, head+", methods that only this package has")
			case isMethod && !isStruct:
				lines = append(lines, head+", "+name.Name+signature(method))
			default:
				lines = append(lines, head+", "+name.Name+" "+types.ExprString(member.Type))
			}
		}
	}
	return lines
}

// receiverName returns the name of a method's type.
func receiverName(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(types.ExprString(decl.Recv.List[0].Type), "*"), "[")
	return name
}

func signature(function *ast.FuncType) string {
	return strings.TrimPrefix(types.ExprString(function), "func")
}

func typeParams(params *ast.FieldList) string {
	if params == nil {
		return ""
	}
	var list []string
	for _, param := range params.List {
		for _, name := range param.Names {
			list = append(list, name.Name+" "+types.ExprString(param.Type))
		}
	}
	return "[" + strings.Join(list, ", ") + "]"
}
