using System.Globalization;
using System.Text;

namespace AiFabric.Pretraining.Export;

/// <summary>Draws the loss over the tokens seen as an SVG.</summary>
internal static class TrainingCurve
{
    private const int Width = 720, Height = 320, Left = 50, Right = 16, Top = 16, Bottom = 40;

    /// <param name="log">The lines of a training log, its header first.</param>
    public static string Draw(IReadOnlyList<string> log)
    {
        var rows = log.Skip(1).Select(line => line.Split(',')).ToList();
        var training = rows.Select(r => (Tokens: Number(r[1]), Loss: Number(r[2]))).ToList();
        var heldOut = rows.Where(r => r[3].Length > 0).Select(r => (Tokens: Number(r[1]), Loss: Number(r[3]))).ToList();
        double tokens = training[^1].Tokens;
        double low = Math.Floor(training.Concat(heldOut).Min(p => p.Loss) * 2) / 2;
        double high = Math.Ceiling(training.Max(p => p.Loss));

        double X(double value) => Left + (value / tokens * (Width - Left - Right));
        double Y(double loss) => Top + ((high - loss) / (high - low) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"12\">\n");
        svg.Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        for (double loss = low; loss <= high; loss += 0.5)
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {Y(loss):F1}H{Width - Right}\" stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{Y(loss) + 4:F1}\" text-anchor=\"end\">{loss:F1}</text>\n");
        for (double million = 0; million * 1e6 <= tokens; million++)
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(million * 1e6):F1}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{million}</text>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Width / 2}\" y=\"{Height - 6}\" text-anchor=\"middle\">million tokens seen; loss in nats per token: training (grey), held out (blue)</text>\n");
        svg.Append(Line(training, X, Y, "#999"));
        svg.Append(Line(heldOut, X, Y, "#1f6feb"));
        return svg.Append("</svg>\n").ToString();
    }

    private static string Line(List<(double Tokens, double Loss)> points, Func<double, double> x, Func<double, double> y, string colour) =>
        $"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\""
        + string.Join(' ', points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{x(p.Tokens):F1},{y(p.Loss):F1}")))
        + "\"/>\n";

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
