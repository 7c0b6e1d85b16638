package demo

import (
	"fmt"
	"image/color"
	"math"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/postroad/postroad/cmd/postroad/terminal"
)

// The colors of the demo.
var (
	colorRouter  = lipgloss.Color("#5fafff")
	colorAddress = []color.Color{lipgloss.Color("#87d75f"), lipgloss.Color("#ffaf5f"), lipgloss.Color("#d787ff"),
		lipgloss.Color("#5fd7d7"), lipgloss.Color("#ffff87"), lipgloss.Color("#ff87af")}
)

// addressColors gives every address a color, in the order in which the clients name them.
func addressColors(clients []clientShown) map[string]color.Color {
	colors := map[string]color.Color{}
	for _, c := range clients {
		if _, ok := colors[c.address]; !ok {
			colors[c.address] = colorAddress[len(colors)%len(colorAddress)]
		}
	}
	return colors
}

// picture is a drawing of characters.
type picture struct {
	width, height int
	cells         []cell
}

// cell is one character of a picture.
type cell struct {
	char  rune
	color color.Color
	bold  bool
}

func newPicture(width, height int) *picture {
	return &picture{width: width, height: height, cells: make([]cell, width*height)}
}

// set draws one character; what is outside of the picture is left out.
func (p *picture) set(x, y int, c cell) {
	if x >= 0 && x < p.width && y >= 0 && y < p.height {
		p.cells[y*p.width+x] = c
	}
}

// write draws a text from left to right.
func (p *picture) write(x, y int, text string, style cell) {
	for i, r := range []rune(text) {
		style.char = r
		p.set(x+i, y, style)
	}
}

// String renders the picture with colors.
func (p *picture) String() string {
	var b strings.Builder
	for y := range p.height {
		row := p.cells[y*p.width : (y+1)*p.width]
		for x := 0; x < len(row); {
			end := x + 1
			for end < len(row) && row[end].color == row[x].color && row[end].bold == row[x].bold {
				end++
			}
			var run strings.Builder
			for _, c := range row[x:end] {
				if c.char == 0 {
					c.char = ' '
				}
				run.WriteRune(c.char)
			}
			if row[x].color == nil {
				b.WriteString(run.String())
			} else {
				b.WriteString(lipgloss.NewStyle().Foreground(row[x].color).Bold(row[x].bold).Render(run.String()))
			}
			x = end
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// drawMesh draws routers on an ellipse, the links between them, and messages that travel along their paths. The time
// moves the messages.
func drawMesh(s *snapshot, width, height int, now time.Time) *picture {
	p := newPicture(width, height)
	at := map[string]point{}
	label := 0
	for _, r := range s.routers {
		label = max(label, len([]rune(r.id)), len([]rune(r.site)))
	}
	radius := point{max(float64(width-label-6)/2, 1), max(float64(height-4)/2, 1)}
	for i, r := range s.routers {
		angle := 2*math.Pi*float64(i)/float64(len(s.routers)) + math.Pi
		at[r.id] = point{float64(width)/2 + radius.x*math.Cos(angle), float64(height-2)/2 + radius.y*math.Sin(angle)}
	}
	for _, l := range s.links {
		drawLink(p, at[l.a], at[l.b], l)
	}
	colors := addressColors(s.clients)
	for i, f := range s.flows {
		drawFlow(p, at, f, colors[f.address], now.Add(time.Duration(i)*170*time.Millisecond))
	}
	for _, r := range s.routers {
		style := cell{color: colorRouter, bold: true}
		name := "▐ " + r.id + " ▌"
		if !r.alive {
			style.color = terminal.ColorDead
			name = "▐ " + r.id + " ✗ ▌"
		}
		x, y := int(at[r.id].x), int(math.Round(at[r.id].y))
		p.write(x-len([]rune(name))/2, y, name, style)
		p.write(x-len([]rune(r.site))/2, y+1, r.site, cell{color: terminal.ColorQuiet})
	}
	return p
}

// point is a place in a picture.
type point struct{ x, y float64 }

// between returns the point a part of the way from a to b.
func between(a, b point, part float64) point {
	return point{a.x + (b.x-a.x)*part, a.y + (b.y-a.y)*part}
}

// drawLink draws a dotted line with the cost in the middle.
func drawLink(p *picture, a, b point, l linkShown) {
	style := cell{char: '·', color: terminal.ColorQuiet}
	if !l.up {
		style = cell{char: '╳', color: terminal.ColorDead}
	}
	steps := int(max(math.Abs(b.x-a.x), 2*math.Abs(b.y-a.y), 1))
	for i := 0; i <= steps; i++ {
		if !l.up && i%6 != 0 {
			continue
		}
		at := between(a, b, float64(i)/float64(steps))
		p.set(int(at.x), int(math.Round(at.y)), style)
	}
	middle := between(a, b, 0.5)
	style.char = 0
	p.write(int(middle.x), int(math.Round(middle.y)), fmt.Sprintf(" %d ", l.cost), style)
}

// drawFlow draws messages on their way: more of them for higher rates.
func drawFlow(p *picture, at map[string]point, f flowShown, c color.Color, now time.Time) {
	hops := len(f.path) - 1
	dots := (1 + int(math.Log10(1+f.rate))) * hops
	const secondsPerHop = 1.5
	period := secondsPerHop * float64(hops)
	phase := math.Mod(float64(now.UnixMilli())/1000, period) / period
	for i := range dots {
		way := math.Mod(phase+float64(i)/float64(dots), 1) * float64(hops)
		hop := min(int(way), hops-1)
		here := between(at[f.path[hop]], at[f.path[hop+1]], way-float64(hop))
		p.set(int(here.x), int(math.Round(here.y)), cell{char: '●', color: c})
	}
}
