package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// The chart is two panels side by side, both axes of each in powers of ten.
const (
	chartWidth, chartHeight = 960, 420
	panelTop, panelHeight   = 64, 270
	panelWidth              = 330
	leftPanel, rightPanel   = 80, 560
	legendY                 = 396
)

// palette tells series apart for the colour-blind, too (Okabe and Ito).
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#666666"}

// panel is one of the two diagrams.
type panel struct {
	left   float64
	title  string
	figure func(p point) float64
	label  func(value float64) string
	curves []curve

	xLow, xHigh, yLow, yHigh float64 // powers of ten
}

// chart draws time and memory by the number of items, as SVG.
func chart(curves []curve) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", chartWidth, chartHeight)
	text(&b, leftPanel, 24, "start", 15, "Time and memory by the number of items, of whose calls 1 % are refused")
	for _, p := range []*panel{
		{left: leftPanel, title: "time an item", figure: func(p point) float64 { return p.Wall }, label: timeLabel},
		{left: rightPanel, title: "largest memory of the process", figure: func(p point) float64 { return float64(p.Peak) / 1e6 }, label: memoryLabel},
	} {
		p.curves = curves
		p.scale()
		p.draw(&b)
	}
	for i, c := range curves {
		x := float64(leftPanel + i*170)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-width="3"/>`+"\n", x, legendY-4, x+22, legendY-4, colour(i))
		text(&b, x+28, legendY, "start", 12, c.Name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func colour(i int) string { return palette[i%len(palette)] }

func text(b *bytes.Buffer, x, y float64, anchor string, size int, words string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="#222">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(words))
}

func timeLabel(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%g ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%g µs", ns/1e3)
	}
	return fmt.Sprintf("%g ns", ns)
}

func memoryLabel(mb float64) string {
	if mb >= 1000 {
		return fmt.Sprintf("%g GB", mb/1000) // the axis is in powers of ten
	}
	return fmt.Sprintf("%g MB", mb)
}

// scale finds the powers of ten between which all points lie.
func (p *panel) scale() {
	p.xLow, p.xHigh, p.yLow, p.yHigh = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, c := range p.curves {
		for _, at := range c.Points {
			x, y := math.Log10(float64(at.Items)), math.Log10(max(p.figure(at), 1e-3))
			p.xLow, p.xHigh = min(p.xLow, math.Floor(x)), max(p.xHigh, math.Ceil(x))
			p.yLow, p.yHigh = min(p.yLow, math.Floor(y)), max(p.yHigh, math.Ceil(y))
		}
	}
	if math.IsInf(p.xLow, 1) {
		p.xLow, p.yLow = 0, 0
	}
	p.xHigh, p.yHigh = max(p.xHigh, p.xLow+1), max(p.yHigh, p.yLow+1)
}

func (p *panel) x(power float64) float64 { return p.left + (power-p.xLow)/(p.xHigh-p.xLow)*panelWidth }

func (p *panel) y(power float64) float64 {
	return panelTop + panelHeight - (power-p.yLow)/(p.yHigh-p.yLow)*panelHeight
}

func (p *panel) draw(b *bytes.Buffer) {
	text(b, p.left, panelTop-12, "start", 13, p.title)
	for power := p.yLow; power <= p.yHigh; power++ {
		y := p.y(power)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", p.left, y, p.left+panelWidth, y)
		text(b, p.left-8, y+4, "end", 11, p.label(math.Pow(10, power)))
	}
	for power := p.xLow; power <= p.xHigh; power++ {
		x := p.x(power)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#eee"/>`+"\n", x, panelTop, x, panelTop+panelHeight)
		text(b, x, panelTop+panelHeight+18, "middle", 11, itemsLabel(math.Pow(10, power)))
	}
	text(b, p.left+panelWidth/2, panelTop+panelHeight+38, "middle", 12, "items")
	for i, c := range p.curves {
		b.WriteString(`<polyline fill="none" stroke-width="2" stroke="` + colour(i) + `" points="`)
		for _, at := range c.Points {
			x, y := p.at(at)
			fmt.Fprintf(b, "%.1f,%.1f ", x, y)
		}
		b.WriteString("\"/>\n")
		for _, at := range c.Points {
			x, y := p.at(at)
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s</title></circle>`+"\n", x, y, colour(i),
				html.EscapeString(fmt.Sprintf("%s, %d items: %s", c.Name, at.Items, p.label(math.Round(p.figure(at))))))
		}
	}
}

func (p *panel) at(at point) (x, y float64) {
	return p.x(math.Log10(float64(at.Items))), p.y(math.Log10(max(p.figure(at), 1e-3)))
}

func itemsLabel(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%g M", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%g k", n/1e3)
	}
	return fmt.Sprintf("%g", n)
}
