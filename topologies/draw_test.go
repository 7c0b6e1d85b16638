package topologies

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// update writes the pictures of the documentation anew: go test ./topologies -run TestPictures -update.
var update = flag.Bool("update", false, "write the pictures in docs/topologies anew")

// pictures is where the documentation has them.
const pictures = "../docs/topologies"

// TestPictures: the documentation shows every embedded topology as it is.
func TestPictures(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/topologies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		topology, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(pictures, name+".svg")
		if *update {
			if err := os.WriteFile(path, []byte(topology.SVG()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if old, err := os.ReadFile(path); err != nil || string(old) != topology.SVG() {
			t.Errorf("%s is not the picture of the topology (%v); run go test ./topologies -run TestPictures -update", path, err)
		}
		if !strings.Contains(string(text), "](topologies/"+name+".svg)") {
			t.Errorf("docs/topologies.md does not show %s", name)
		}
	}
	if drawn, _ := filepath.Glob(pictures + "/*"); len(drawn) != len(Names()) {
		t.Errorf("docs/topologies holds %v, the topologies are %v", drawn, Names())
	}
}

// TestEveryRouterIsDrawnInAPlaceOfItsOwn: boxes do not overlap, and everything is inside the picture.
func TestEveryRouterIsDrawnInAPlaceOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		topology, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		places, _ := topology.layout()
		for i := range places {
			for j := range i {
				d := places[i].minus(places[j])
				width := (topology.boxWidth(i) + topology.boxWidth(j)) / 2
				if max(d.x, -d.x) < width && max(d.y, -d.y) < boxHeight {
					t.Errorf("%s: %s and %s overlap", name, topology.Routers[i].ID, topology.Routers[j].ID)
				}
			}
		}
	}
}

// FuzzDraw: any topology gives a picture that is XML, the same one each time, and a graph with every router and link.
func FuzzDraw(f *testing.F) {
	for _, name := range Names() {
		data, err := files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("name: \"<&\\\"\\\\>\"\nrouters: [{id: '<a>\"', site: '&'}, {id: 'b\\', site: '&', mode: edge}]\n" +
		"links: [{a: '<a>\"', b: 'b\\'}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		topology, err := Parse("t.yaml", data)
		if err != nil || len(topology.Routers) > 200 {
			return
		}
		picture := topology.SVG()
		if picture != topology.SVG() {
			t.Error("another picture the second time")
		}
		d := xml.NewDecoder(strings.NewReader(picture))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%v in\n%s", err, picture)
		}
		dot := topology.DOT()
		if n := strings.Count(dot, " -- "); n < len(topology.Links) {
			t.Errorf("%d links instead of %d in\n%s", n, len(topology.Links), dot)
		}
		for _, r := range topology.Routers {
			if !strings.Contains(dot, quote(r.ID)+" [label=") {
				t.Errorf("no %s in\n%s", r.ID, dot)
			}
		}
	})
}
