using System.Globalization;
using System.Text;

namespace AiFabric.LocalCluster.Node.Logs;

/// <summary>Up to this offset the log was written by this time.</summary>
internal readonly record struct LogMark(long Offset, DateTimeOffset Time);

/// <summary>
/// The times of a log's lines. Processes write their logs themselves, so nobody stamps lines; the node notes the file's length whenever it
/// has grown. The first mark is the start of what is kept.
/// </summary>
internal sealed class LogIndex(string file)
{
    public void Append(LogMark mark) => File.AppendAllText(file, Line(mark));

    public void Replace(IEnumerable<LogMark> marks)
    {
        File.WriteAllText(file + ".new", string.Concat(marks.Select(Line)), Encoding.ASCII);
        File.Move(file + ".new", file, overwrite: true);
    }

    public IReadOnlyList<LogMark> Read()
    {
        try
        {
            return [.. File.ReadAllText(file).Split('\n').SkipLast(1).Select(Parse)]; // what follows the last line end is not complete yet
        }
        catch (FileNotFoundException)
        {
            return [];
        }
    }

    private static string Line(LogMark mark) => string.Create(CultureInfo.InvariantCulture, $"{mark.Offset} {mark.Time.ToUnixTimeMilliseconds()}\n");

    private static LogMark Parse(string line)
    {
        string[] parts = line.Split(' ');
        return new LogMark(
            long.Parse(parts[0], CultureInfo.InvariantCulture),
            DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(parts[1], CultureInfo.InvariantCulture)));
    }
}
