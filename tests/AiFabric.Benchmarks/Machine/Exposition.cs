using System.Globalization;

namespace AiFabric.Benchmarks.Machine;

/// <summary>A scrape in Prometheus' text format: the samples by name and labels as written.</summary>
internal sealed class Exposition
{
    private readonly Dictionary<string, double> _samples;

    private Exposition(Dictionary<string, double> samples) => _samples = samples;

    public static Exposition Empty { get; } = new([]);

    public static Exposition Parse(string text)
    {
        var samples = new Dictionary<string, double>();
        foreach (string line in text.Split('\n'))
        {
            int space = line.LastIndexOf(' ');
            if (space > 0 && line[0] != '#' && double.TryParse(line.AsSpan(space + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
                samples[line[..space]] = value;
        }
        return new Exposition(samples);
    }

    /// <summary>The sum of all samples of a metric whose labels contain every one of <paramref name="labels"/> (<c>name="value"</c>).</summary>
    public double Sum(string metric, params string[] labels) => _samples
        .Where(sample => NameOf(sample.Key) == metric && labels.All(label => sample.Key.Contains(label, StringComparison.Ordinal)))
        .Sum(sample => sample.Value);

    /// <summary>
    /// A quantile of what a histogram observed since <paramref name="before"/>, interpolated within its bucket as Prometheus does; null without
    /// observations. All series whose labels fit are taken together.
    /// </summary>
    public double? Quantile(string metric, double quantile, Exposition before, params string[] labels)
    {
        (double Bound, double Count)[] buckets =
        [
            .. _samples.Keys.Where(key => NameOf(key) == metric + "_bucket" && labels.All(label => key.Contains(label, StringComparison.Ordinal)))
                .GroupBy(Bound)
                .Select(group => (group.Key, group.Sum(key => _samples[key] - before._samples.GetValueOrDefault(key))))
                .OrderBy(bucket => bucket.Key),
        ];
        double total = buckets.Length == 0 ? 0 : buckets[^1].Count;
        if (total <= 0)
            return null;
        double rank = quantile * total;
        (double lower, double below) = (0, 0);
        foreach ((double bound, double count) in buckets)
        {
            if (count >= rank)
                return double.IsInfinity(bound) ? lower : lower + ((bound - lower) * (rank - below) / Math.Max(count - below, 1));
            (lower, below) = (bound, count);
        }
        return lower;
    }

    private static string NameOf(string key) => key.IndexOf('{', StringComparison.Ordinal) is int brace and > 0 ? key[..brace] : key;

    private static double Bound(string key)
    {
        int start = key.IndexOf("le=\"", StringComparison.Ordinal) + 4;
        string text = key[start..key.IndexOf('"', start)];
        return text == "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture);
    }
}
