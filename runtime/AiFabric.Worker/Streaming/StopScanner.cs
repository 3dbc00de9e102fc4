using System.Text;

namespace AiFabric.Worker.Streaming;

/// <summary>Lets text through up to the first stop string; holds back an ending that could be the beginning of one. Pure.</summary>
/// <param name="stops">Non-empty strings.</param>
internal sealed class StopScanner(IReadOnlyList<string> stops)
{
    private readonly StringBuilder held = new();

    /// <summary>Whether a stop string was met; everything from there on is dropped.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Characters given out so far.</summary>
    public int GivenOut { get; private set; }

    /// <summary>Adds text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="mayStop">Whether a stop string that ends in it counts.</param>
    /// <returns>The text that is now known to lie before any stop string.</returns>
    public string Append(string text, bool mayStop = true)
    {
        if (Stopped)
            return "";
        if (stops.Count == 0)
        {
            GivenOut += text.Length;
            return text;
        }
        int known = held.Length;
        string all = held.Append(text).ToString();
        int cut = mayStop ? FirstCut(all, known) : -1;
        Stopped = cut >= 0;
        int keep = Stopped ? 0 : LongestBeginning(all);
        string given = Stopped ? all[..cut] : all[..^keep];
        held.Clear().Append(all, all.Length - keep, keep);
        GivenOut += given.Length;
        return given;
    }

    /// <summary>Ends the text.</summary>
    /// <returns>What was held back.</returns>
    public string Flush()
    {
        string rest = held.ToString();
        held.Clear();
        GivenOut += rest.Length;
        return rest;
    }

    // The stop string that is complete first cuts, so that the result does not depend on how the text was cut into tokens;
    // of several complete at the same character, the longest. One that ends in the known beginning did not count when that came.
    private int FirstCut(string text, int known)
    {
        int cut = -1, firstEnd = int.MaxValue;
        foreach (string stop in stops)
        {
            int at = text.IndexOf(stop, Math.Max(0, known + 1 - stop.Length), StringComparison.Ordinal);
            if (at >= 0 && (at + stop.Length < firstEnd || (at + stop.Length == firstEnd && at < cut)))
                (cut, firstEnd) = (at, at + stop.Length);
        }
        return cut;
    }

    private int LongestBeginning(string text)
    {
        int longest = 0;
        foreach (string stop in stops)
        {
            for (int length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                {
                    longest = length;
                    break;
                }
            }
        }
        return longest;
    }
}
