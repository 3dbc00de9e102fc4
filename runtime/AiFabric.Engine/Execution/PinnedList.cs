namespace AiFabric.Engine.Execution;

/// <summary>A list that the garbage collector does not move, so that kernels can read it. Grows, never shrinks.</summary>
internal sealed unsafe class PinnedList<T>
    where T : unmanaged
{
    private T[] items = GC.AllocateUninitializedArray<T>(64, pinned: true);

    public int Count { get; private set; }

    /// <summary>The first item; valid until the next <see cref="Add"/>.</summary>
    public T* Data => (T*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref items[0]);

    public Span<T> Items => items.AsSpan(0, Count);

    public void Add(T item)
    {
        if (Count == items.Length)
        {
            T[] larger = GC.AllocateUninitializedArray<T>(2 * items.Length, pinned: true);
            items.CopyTo(larger, 0);
            items = larger;
        }
        items[Count++] = item;
    }

    public void Clear() => Count = 0;
}
