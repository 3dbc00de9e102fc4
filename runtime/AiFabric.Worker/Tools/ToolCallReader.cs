using System.Text;

namespace AiFabric.Worker.Tools;

/// <summary>
/// Sorts an answer's text into what the model says and the calls it makes, as it comes: text and arguments are given out as soon as they are known for
/// what they are. However the text is cut, what is given out together is the same. Nothing is lost: what looks like a call but is none of the
/// request's tools stays text. White space around calls falls away. Pure.
/// </summary>
/// <param name="format">How the model writes calls.</param>
/// <param name="names">The functions that may be called.</param>
/// <param name="single">Whether the answer ends with its first call.</param>
/// <param name="idOf">The id of a call, by its index.</param>
internal sealed class ToolCallReader(ToolFormat format, IReadOnlyCollection<string> names, bool single, Func<int, string> idOf)
{
    private readonly StringBuilder text = new();
    private readonly StringBuilder held = new();
    private readonly List<(int Index, string? Id, string? Name, StringBuilder Arguments)> pieces = [];
    private Place place = format.Style == ToolStyle.Bare ? Place.Start : Place.Text;
    private CallScanner call = new();
    private int matched;
    private int calls;
    private bool isOpen;
    private bool dropsSpace;

    private enum Place
    {
        Start, // Before a bare call, or text.
        Text, // In text, or in a mark that opens calls.
        List, // Before the bracket of a list of calls.
        Call,
        After, // After a call, before what closes it.
        Done, // After the only call that may be.
        Rest, // In an answer that is no bare call.
    }

    /// <summary>Control marks that the text must show.</summary>
    public IReadOnlyList<int> Marks => format.Marks;

    /// <summary>Whether there are calls, and the last of them is whole.</summary>
    public bool IsComplete => calls > 0 && !isOpen;

    /// <summary>Whether the answer goes on after the only call that may be: no more of it counts.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Adds text.</summary>
    public SortedPiece Append(string more)
    {
        foreach (char c in more)
        {
            if (!IsOver)
                Take(c);
        }
        return GiveOut();
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>What was held back.</returns>
    public SortedPiece Flush()
    {
        // An answer that was cut off may end inside the mark that closes a call.
        bool closes = place == Place.After && (single || format.Close.StartsWith(held.ToString().TrimStart(), StringComparison.Ordinal));
        if (!closes)
            text.Append(held);
        held.Clear();
        return GiveOut();
    }

    private SortedPiece GiveOut()
    {
        var piece = new SortedPiece(text.ToString(), [.. pieces.Select(p => new CallPiece(p.Index, p.Id, p.Name, p.Arguments.ToString()))]);
        text.Clear();
        pieces.Clear();
        return piece;
    }

    private void Take(char c)
    {
        switch (place)
        {
            case Place.Start:
                TakeStart(c);
                break;
            case Place.Text:
                TakeText(c);
                break;
            case Place.List:
                TakeList(c);
                break;
            case Place.Call:
                TakeCall(c);
                break;
            case Place.After:
                TakeAfter(c);
                break;
            case Place.Done:
                IsOver = !IsSpace(c);
                break;
            default:
                text.Append(c);
                break;
        }
    }

    private void TakeStart(char c)
    {
        if (c == '{')
        {
            BeginCall();
            TakeCall(c);
        }
        else if (IsSpace(c))
        {
            held.Append(c);
        }
        else
        {
            GiveBack(Place.Rest);
            text.Append(c);
        }
    }

    // Held back: white space, and a beginning of the mark, whose first character is in it only once.
    private void TakeText(char c)
    {
        if (c == format.Open[matched])
        {
            held.Append(c);
            if (++matched < format.Open.Length)
                return;
            if (format.Style == ToolStyle.Listed)
                place = Place.List;
            else
                BeginCall();
            return;
        }
        bool wasMark = matched > 0;
        if (wasMark)
            GiveBack(Place.Text);
        if (wasMark && c == format.Open[0])
        {
            TakeText(c);
        }
        else if (IsSpace(c))
        {
            if (!dropsSpace)
                held.Append(c);
        }
        else
        {
            GiveBack(Place.Text);
            text.Append(c);
        }
    }

    private void TakeList(char c)
    {
        if (c != '[' && !IsSpace(c))
        {
            Refuse(c);
            return;
        }
        held.Append(c);
        if (c == '[')
            BeginCall();
    }

    private void TakeCall(char c)
    {
        var step = call.Take(c);
        if (step == CallStep.Broken)
        {
            if (!isOpen)
            {
                Refuse(c);
                return;
            }
            EndCall();
            Take(c);
            return;
        }
        if (isOpen)
        {
            if (step == CallStep.Argument)
                AddArgument(c);
        }
        else
        {
            held.Append(c);
            TryOpen(ended: step == CallStep.End);
        }
        if (step == CallStep.End && isOpen)
            EndCall();
    }

    // A call is given out once it is certain that it is one: its function is known, and its arguments are an object or left out.
    private void TryOpen(bool ended)
    {
        if (call.Name is { } name ? !names.Contains(name) : ended)
        {
            Refuse(null);
            return;
        }
        if (call.Name is null || (!call.HasArguments && !ended))
            return;
        held.Clear();
        isOpen = true;
        pieces.Add((calls, idOf(calls), call.Name, new StringBuilder(call.HasArguments ? call.Arguments : "{}")));
        calls++;
    }

    private void AddArgument(char c)
    {
        if (pieces.Count == 0 || pieces[^1].Index != calls - 1)
            pieces.Add((calls - 1, null, null, new StringBuilder()));
        pieces[^1].Arguments.Append(c);
    }

    private void TakeAfter(char c)
    {
        if (format.Style == ToolStyle.Tagged)
        {
            TakeBeforeClose(c);
            return;
        }
        if (IsSpace(c))
        {
            held.Append(c);
        }
        else if (c == ']')
        {
            Close();
        }
        else if (single)
        {
            IsOver = true;
        }
        else if (c == ',')
        {
            held.Append(c);
            BeginCall();
        }
        else
        {
            Refuse(c);
        }
    }

    // Models forget a brace or write one too many: whatever stands before the mark that closes a call is none of the answer.
    private void TakeBeforeClose(char c)
    {
        held.Append(c);
        if (EndsWith(format.Close))
        {
            Close();
        }
        else if (single)
        {
            IsOver = !format.Close.StartsWith(held.ToString().TrimStart(), StringComparison.Ordinal);
        }
        else if (EndsWith(format.Open))
        {
            held.Clear().Append(format.Open);
            BeginCall();
        }
    }

    private void BeginCall() => (place, matched, call) = (Place.Call, 0, new CallScanner());

    private void EndCall()
    {
        isOpen = false;
        place = format.Style == ToolStyle.Bare ? Place.Done : Place.After;
    }

    private void Close()
    {
        held.Clear();
        (place, dropsSpace) = (single ? Place.Done : Place.Text, true);
    }

    // What was held back is no call.
    private void Refuse(char? next)
    {
        GiveBack(format.Style == ToolStyle.Bare ? Place.Rest : Place.Text);
        if (next is { } c)
            Take(c);
    }

    private void GiveBack(Place then)
    {
        text.Append(held);
        held.Clear();
        (place, matched, dropsSpace) = (then, 0, false);
    }

    private bool EndsWith(string mark) => held.Length >= mark.Length && held.ToString(held.Length - mark.Length, mark.Length) == mark;

    private static bool IsSpace(char c) => c is ' ' or '\n' or '\r' or '\t';
}
